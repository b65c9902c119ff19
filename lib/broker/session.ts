import { publishFirstByte } from '../protocol/packet-encoder.js';
import { PacketType } from '../protocol/packets.js';
import type { Subscription, Target } from '../topics/topic-tree.js';
import type { Broker } from './broker.js';
import type { Connection } from './connection.js';
import { Deliveries, DeliveryState, packetIdOf, type Delivery } from './deliveries.js';
import type { Message } from './message.js';
import type { Subscriber } from './router.js';

/**
 * A client's state, which may outlive its connection (MQTT 5, 4.1): subscriptions, messages on their way in both
 * directions, the will. It is the Subscriber that the client's filters stand for in the topic tree.
 */
export class Session implements Subscriber {
  connection: Connection | undefined;
  /** Seconds that the session outlives its connection; 0xFFFFFFFF is for ever. */
  expiryInterval = 0;
  /** Milliseconds since the epoch; Infinity while connected or for ever. */
  expiresAt = Infinity;
  /** By the filter as the client wrote it, `$share/group/` included. */
  readonly subscriptions = new Map<string, Subscription>();
  readonly deliveries = new Deliveries();
  /** Packet identifiers of QoS 2 messages received and not yet released. */
  readonly received = new Set<number>();
  private isPumping = false;

  constructor(
    readonly broker: Broker,
    readonly clientId: string,
  ) {}

  /** Hop 6 of a message: the QoS is the lower of both, and at QoS 1 and 2 the message is in the session's care. */
  deliver(message: Message, target: Target<Subscriber>): void {
    let matched: Target<Subscriber> | undefined = target;
    if (target.own !== target && message.publisher?.clientId === this.clientId) {
      // [MQTT-3.8.3-3]
      matched = target.own;
      if (matched === undefined) return;
    }
    // [MQTT-3.8.4-8]
    const qos = message.qos < matched.qos ? message.qos : matched.qos;
    // [MQTT-3.3.1-12] [MQTT-3.3.1-13]
    const retain = message.retain && matched.retainAsPublished;
    if (qos === 0) this.sendAtMostOnce(message, retain, matched.identifiers);
    else this.enqueue(message, qos, retain, matched.identifiers);
  }

  /** Sends a message for one subscription: retained messages, which carry RETAIN (3.3.1.3), a handler's greeting. */
  deliverFor(subscription: Subscription, message: Message): void {
    const qos = message.qos < subscription.qos ? message.qos : subscription.qos;
    const identifiers = subscription.identifier === undefined ? undefined : [subscription.identifier];
    if (qos === 0) this.sendAtMostOnce(message, message.retain, identifiers);
    else this.enqueue(message, qos, message.retain, identifiers);
  }

  /** The client is connected: what is unfinished goes out again, then what waited. */
  attach(connection: Connection): void {
    this.connection = connection;
    this.expiresAt = Infinity;
    this.deliveries.rewind();
  }

  /** The CONNACK is on its way: everything unfinished follows it. */
  resume(): void {
    this.pump();
  }

  detach(): void {
    this.connection = undefined;
    this.deliveries.rewind();
  }

  /** Sends what waits, as far as Receive Maximum and the outbox allow. */
  pump(): void {
    const { connection, deliveries } = this;
    // A message too large for the client settles at once and comes back here.
    if (!connection || this.isPumping) return;
    this.isPumping = true;
    const now = this.broker.clock.now();
    // [MQTT-3.3.4-9] [MQTT-4.9.0-2]
    while (deliveries.sending < connection.receiveMaximum && !connection.outbox.isFull) {
      const delivery = deliveries.next();
      if (!delivery) break;
      this.send(connection, delivery, now);
    }
    this.isPumping = false;
  }

  /** PUBACK, or a PUBREC that refuses: the message is done. */
  acknowledge(delivery: Delivery): void {
    this.settle(delivery);
    this.pump();
  }

  /** PUBREC: from here on only PUBREL is repeated ([MQTT-4.3.3-6]). */
  release(delivery: Delivery): void {
    delivery.state = DeliveryState.Released;
  }

  private enqueue(message: Message, qos: 1 | 2, retain: boolean, identifiers: readonly number[] | undefined): void {
    const { deliveries, broker } = this;
    const { limits, counters } = broker;
    const isFull =
      deliveries.queued >= limits.maximumQueuedMessages ||
      (deliveries.queued > 0 && deliveries.queuedBytes + message.size > limits.maximumQueuedBytes);
    if (isFull) {
      counters.messagesDropped++;
      if (limits.onQueueFull === 'dropNewest') return;
      const dropped = deliveries.dropOldest();
      if (dropped) broker.store.acknowledge(this, dropped.sequence);
    }
    const sequence = deliveries.enqueue(message.keep(), qos, retain, identifiers);
    broker.store.enqueue(this, sequence, message);
    if (this.connection) this.pump();
  }

  private sendAtMostOnce(message: Message, retain: boolean, identifiers: readonly number[] | undefined): void {
    const { connection } = this;
    if (connection === undefined || connection.outbox.isFull) {
      this.broker.counters.messagesDropped++;
      return;
    }
    const version = connection.protocolVersion;
    const frame =
      version === 5 && (identifiers !== undefined || message.expiresAt !== Infinity)
        ? message.ownFrame(false, identifiers, this.broker.clock.now())
        : message.frame(version, false);
    // [MQTT-3.1.2-24] [MQTT-3.1.2-25]
    if (frame.end - frame.start > connection.maximumPacketSize) {
      this.broker.counters.messagesDropped++;
      return;
    }
    this.broker.counters.messagesSent++;
    connection.outbox.publish(frame, retain ? 0x31 : 0x30);
  }

  private send(connection: Connection, delivery: Delivery, now: number): void {
    const { message, qos, retain, identifiers } = delivery;
    if (delivery.state === DeliveryState.Released) {
      // [MQTT-4.4.0-1]
      connection.hold(PacketType.PUBREL, packetIdOf(delivery));
      return;
    }
    const isResent = delivery.state === DeliveryState.Sent;
    // [MQTT-3.3.2-5] [MQTT-4.3.3-7] a message that was sent once does not expire
    if (!isResent && message.isExpired(now)) {
      this.drop(delivery);
      return;
    }
    const version = connection.protocolVersion;
    const frame =
      version === 5 && (identifiers !== undefined || message.expiresAt !== Infinity)
        ? message.ownFrame(true, identifiers, now)
        : message.frame(version, true);
    // [MQTT-3.1.2-24] [MQTT-3.1.2-25]
    if (frame.end - frame.start > connection.maximumPacketSize) {
      this.drop(delivery);
      return;
    }
    delivery.state = DeliveryState.Sent;
    this.broker.counters.messagesSent++;
    // [MQTT-3.3.1-1] [MQTT-3.3.1-3]
    connection.outbox.publishIdentified(frame, publishFirstByte(isResent, qos, retain), packetIdOf(delivery));
  }

  private drop(delivery: Delivery): void {
    this.broker.counters.messagesDropped++;
    this.settle(delivery);
  }

  private settle(delivery: Delivery): void {
    this.deliveries.settle(delivery);
    this.broker.store.acknowledge(this, delivery.sequence);
  }
}
