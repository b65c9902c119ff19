import { publishFirstByte } from '../protocol/packet-encoder.js';
import { PacketType, prescribedFlags } from '../protocol/packets.js';
import { frameFor } from './client-frame.js';
import type { Client } from './client.js';
import type { Connection } from './connection.js';
import { Deliveries } from './deliveries.js';
import { none } from './delivery-ring.js';
import { DeliveryState, type Delivery, type PlacedDelivery } from './delivery.js';
import type { Session } from './session.js';
import type { SharedSubscription } from './shared-subscription.js';

/**
 * The QoS 1 and 2 messages of a session on their way to its client: bounded while they wait, sent in their order as far as
 * Receive Maximum and outbox allow, each until it is acknowledged. Every change is told to the store.
 */
export class Outgoing {
  readonly deliveries: Deliveries;
  private isPumping = false;

  constructor(private readonly session: Session) {
    this.deliveries = new Deliveries(session.broker.queueTotal);
  }

  /** Sends a message at once, or puts it at the end. */
  enqueue(delivery: Delivery): void {
    const { deliveries, session } = this;
    const { connection } = session;
    if (connection && deliveries.isNextFree && !this.isPumping && this.isKept(delivery) && this.canSend(connection)) {
      const index = deliveries.fly(delivery);
      this.entrust(delivery);
      this.send(connection, index);
    } else if (this.isFull(delivery) && !this.makeRoom(delivery)) {
      session.broker.counters.messagesDropped++;
    } else {
      deliveries.enqueue(delivery);
      this.entrust(delivery);
      if (!this.isKept(delivery)) session.broker.barrier.holdBack(session);
      if (connection && this.canSend(connection)) session.pump();
    }
  }

  /** Whether there is no room for the message, when what has expired has given way. */
  isFullFor(sized: Sized): boolean {
    if (!this.isFull(sized)) return false;
    this.drop(this.deliveries.takeExpired(this.session.broker.clock.now()));
    return this.isFull(sized);
  }

  /** Sends what can go. */
  pump(connection: Connection): void {
    // A message too large for the client settles at once and comes back here.
    if (this.isPumping) return;
    this.isPumping = true;
    try {
      while (this.sendNext(connection));
    } finally {
      this.isPumping = false;
    }
  }

  /** Takes away what came at QoS 2 in a tick that is not kept, and waits for that. */
  withdraw(tick: number, isConcerned: (publisher: Client | undefined) => boolean): void {
    const isMeant = ({ qos, message }: Delivery) =>
      qos === 2 && message.tick === tick && isConcerned(message.publisher);
    this.forget(this.deliveries.takeWaiting(isMeant));
  }

  /** Behind the CONNACK, what is unfinished goes out again ([MQTT-4.4.0-1]). */
  resume(connection: Connection): void {
    const { deliveries } = this;
    for (const { state, packetId } of deliveries.unfinished()) {
      // [MQTT-4.9.0-3] no Receive Maximum delays a PUBREL; nor any commit, as this one is repeated
      if (state === DeliveryState.Released) connection.sendAcknowledgement(pubrelFirstByte, packetId);
      else this.sendNext(connection);
    }
  }

  /** PUBACK, PUBCOMP, or a PUBREC that refuses: the message is done. */
  acknowledge(index: number): void {
    this.settle(index);
    // Acknowledgements come in rows.
    this.session.connection?.pumpSoon();
  }

  /** PUBREC: from here on only PUBREL is repeated ([MQTT-4.3.3-6]). */
  release(index: number): void {
    const { deliveries, session } = this;
    if (deliveries.stateAt(index) === DeliveryState.Released) return;
    deliveries.mark(index, DeliveryState.Released);
    const [sequence, place] = [deliveries.sequenceAt(index), deliveries.placeAt(index)];
    session.broker.store.handedOver(session, deliveries.at(index), sequence, place);
  }

  /**
   * Gives what is not finished on behalf of groups back to them: what was not sent yet, and at the session's end what
   * was sent at QoS 1. [MQTT-4.8.2-4] [MQTT-4.8.2-5] QoS 2 that was sent goes to no one else.
   */
  handBack(shares: ReadonlySet<SharedSubscription>, isEnded: boolean): void {
    const { deliveries } = this;
    const taken = [...(isEnded ? deliveries.takeSent(shares) : []), ...deliveries.takeShared(shares)];
    this.forget(taken);
    for (const { delivery } of taken) delivery.share!.handOut(delivery.message);
  }

  private sendNext(connection: Connection): boolean {
    const { deliveries } = this;
    if (!this.canSend(connection) || this.isHeldUp) return false;
    const index = deliveries.next();
    if (index === none) return false;
    this.send(connection, index);
    return true;
  }

  /** [MQTT-3.3.4-9] [MQTT-4.9.0-2] */
  private canSend({ receiveMaximum, outbox, entrance }: Connection): boolean {
    const { sending, sendingBytes } = this.deliveries;
    return sending < receiveMaximum && sendingBytes < entrance.limits.maximumInFlightBytes && outbox.hasRoom();
  }

  private send(connection: Connection, index: number): void {
    const { deliveries, session } = this;
    const { message, qos, retain, identifiers } = deliveries.at(index);
    // It may have been allowed when it was queued.
    if (session.isBarred(message.topic)) {
      this.settle(index);
      return;
    }
    const { counters, clock } = session.broker;
    const isResent = deliveries.stateAt(index) === DeliveryState.Sent;
    // [MQTT-3.3.2-5] [MQTT-4.3.3-7] a message that was sent once does not expire
    const isLate = !isResent && message.expiresAt !== Infinity && message.isExpired(clock.now());
    const frame = isLate ? undefined : frameFor(connection, message, true, identifiers);
    if (frame === undefined) {
      counters.messagesDropped++;
      this.settle(index);
      return;
    }
    deliveries.mark(index, DeliveryState.Sent);
    counters.messagesSent++;
    // [MQTT-3.3.1-1] [MQTT-3.3.1-3]
    const firstByte = publishFirstByte(isResent, qos, retain);
    connection.outbox.publishIdentified(frame, firstByte, deliveries.packetIdAt(index));
    // It had to wait, and who retains it keeps only what came in.
    if (retain) message.forgetFrames();
  }

  /** Whether it may go out: what is sent twice at QoS 1 is no harm, and a shared store has what it gives. */
  private isKept({ qos, message }: Delivery): boolean {
    const { broker, stored } = this.session;
    return qos === 1 || broker.barrier.isSettled(message.tick) || stored?.isDurable === true;
  }

  /** The next message waits for its tick to be kept. */
  private get isHeldUp(): boolean {
    const { deliveries, session } = this;
    if (session.broker.barrier.isImmediate) return false;
    const next = deliveries.peek();
    return next !== undefined && !this.isKept(next);
  }

  /** Tells the store of the last message; the bytes of it stay for a while where they came in. */
  private entrust(delivery: Delivery): void {
    const { deliveries, session } = this;
    const { store, loans } = session.broker;
    const place = store.enqueue(session, delivery, deliveries.lastSequence);
    if (place !== 0) deliveries.setLastPlace(place);
    loans.lend(session);
  }

  private settle(index: number): void {
    const { deliveries, session } = this;
    const [sequence, place] = [deliveries.sequenceAt(index), deliveries.placeAt(index)];
    deliveries.settle(index);
    session.broker.store.acknowledge(session, sequence, place);
  }

  private isFull(sized: Sized): boolean {
    const { queued, queuedBytes, sending } = this.deliveries;
    const { broker, connection } = this.session;
    // It does not wait, or not behind others, or only to be kept.
    if (connection && (queued === 0 || (this.isHeldUp && sending + queued < connection.receiveMaximum))) return false;
    const { maximumQueuedMessages, maximumQueuedBytes, maximumTotalQueuedBytes } = broker.limits;
    if (broker.queueTotal.bytes + sized.size > maximumTotalQueuedBytes) return true;
    // One message always fits, however large: else it could never be delivered.
    return queued > 0 && (queued >= maximumQueuedMessages || queuedBytes + sized.size > maximumQueuedBytes);
  }

  /** What has expired gives way first, then what `onQueueFull` says. */
  private makeRoom(sized: Sized): boolean {
    const { deliveries, session } = this;
    const { clock, limits, queueTotal } = session.broker;
    const dropped = deliveries.takeExpired(clock.now());
    const queuedElsewhere = queueTotal.bytes - deliveries.queuedBytes;
    // Where the queues of others leave no room, giving up this one would make none.
    if (limits.onQueueFull === 'dropOldest' && queuedElsewhere + sized.size <= limits.maximumTotalQueuedBytes) {
      while (deliveries.queued > 0 && this.isFull(sized)) dropped.push(deliveries.dropOldest()!);
    }
    this.drop(dropped);
    return !this.isFull(sized);
  }

  private drop(dropped: readonly PlacedDelivery[]): void {
    this.session.broker.counters.messagesDropped += dropped.length;
    this.forget(dropped);
  }

  /** The store does not need them any more. */
  private forget(taken: readonly PlacedDelivery[]): void {
    const { store } = this.session.broker;
    for (const { sequence, place } of taken) store.acknowledge(this.session, sequence, place);
  }
}

/** A message or a delivery: bytes that it takes. */
interface Sized {
  readonly size: number;
}

const pubrelFirstByte = (PacketType.PUBREL << 4) | prescribedFlags(PacketType.PUBREL);
