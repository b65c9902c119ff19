import { matches } from '../topics/topic-names.js';
import type { Target } from '../topics/match.js';
import type { Subscription } from '../topics/subscription.js';
import { TopicTree } from '../topics/topic-tree.js';
import type { Broker } from './broker.js';
import type { Client } from './client.js';
import { frameFor } from './client-frame.js';
import type { Connection } from './connection.js';
import type { Decision } from './decider.js';
import { type Deliveries } from './deliveries.js';
import { deliveryOf, type Delivery } from './delivery.js';
import type { Message } from './message.js';
import { Outgoing } from './outgoing.js';
import type { RetainedDelivery } from './retained-delivery.js';
import { ReceiveRights } from './rights.js';
import type { Subscriber } from './router.js';
import type { SharedSubscription } from './shared-subscription.js';
import type { ShareMember } from './share-strategy.js';
import type { StoredSession } from './stored-session.js';

/**
 * A client's state, which may outlive its connection (MQTT 5, 4.1): subscriptions, messages on their way in both
 * directions, the will. It is the Subscriber that the client's filters stand for in the topic tree.
 */
export class Session implements Subscriber, ShareMember {
  connection: Connection | undefined = undefined;
  /** Seconds that the session outlives its connection; 0xFFFFFFFF is for ever. */
  expiryInterval = 0;
  /** Milliseconds since the epoch; Infinity while connected or for ever. */
  expiresAt = Infinity;
  /** Which of two connections of the client on different nodes is the newer one; 0 where it is not known. */
  generation = 0;
  /** What a store has of it that is not here; undefined where it lives in this memory alone. */
  stored: StoredSession | undefined = undefined;
  /** By the filter as the client wrote it, `$share/group/` included. */
  readonly subscriptions = new Map<string, Subscription>();
  /** Characters of all those filters. */
  subscriptionBytes = 0;
  /** Made when they are needed: most clients never do. */
  private ownOutgoing: Outgoing | undefined = undefined;
  private receivedIds: Set<number> | undefined = undefined;
  private decisions: Map<number, Promise<Decision>> | undefined = undefined;
  private faultCounts: Map<number, number> | undefined = undefined;
  /** What its client may receive, as it was when it connected last; undefined where that is everything. */
  rights: ReceiveRights | undefined = undefined;
  /** Filters of subscriptions that its client may not have any more: what waits for them alone is not sent. */
  private revoked: Set<string> | undefined = undefined;
  private readonly waiting: (() => void)[] = [];
  /** Retained messages on their way, by the filter of their subscription. */
  private retained: TopicTree<RetainedDelivery> | undefined = undefined;
  /** Whether messages of it may still lie in the chunks of their publishers. */
  isBorrower = false;
  private isEnded = false;

  constructor(
    readonly broker: Broker,
    readonly clientId: string,
  ) {}

  /** Its QoS 1 and 2 messages. */
  get outgoing(): Outgoing {
    return (this.ownOutgoing ??= new Outgoing(this));
  }

  get deliveries(): Deliveries {
    return this.outgoing.deliveries;
  }

  /** Packet identifiers of QoS 2 messages received and not yet released. */
  get received(): Set<number> {
    return (this.receivedIds ??= new Set());
  }

  /** QoS 2 messages that somebody still decides about, by packet identifier. */
  get deciding(): Map<number, Promise<Decision>> {
    return (this.decisions ??= new Map());
  }

  /** How often deciding about a message has failed that its client will send again, by packet identifier. */
  get faults(): Map<number, number> {
    return (this.faultCounts ??= new Map());
  }

  get isOnline(): boolean {
    return this.connection !== undefined;
  }

  get toleratesRepeats(): boolean {
    return this.stored?.isDurable === true;
  }

  /** Whether it has shared subscriptions. */
  get isMemberOfGroups(): boolean {
    for (const { share } of this.subscriptions.values()) if (share !== undefined) return true;
    return false;
  }

  get inFlight(): number {
    return this.ownOutgoing?.deliveries.sending ?? 0;
  }

  get queued(): number {
    return this.ownOutgoing?.deliveries.queued ?? 0;
  }

  /** Retained messages for a new subscription are on their way, and live ones must not overtake them. */
  expectRetained(delivery: RetainedDelivery): void {
    this.retained ??= new TopicTree(pendingTopics);
    this.retained.subscribe(delivery, delivery.subscription);
  }

  /** They have all been sent. */
  gotRetained(delivery: RetainedDelivery): void {
    this.retained?.unsubscribe(delivery, delivery.subscription.filter);
    if (this.retained?.size === 0) this.retained = undefined;
  }

  /** Hop 6 of a message: the QoS is the lower of both, and at QoS 1 and 2 the message is in the session's care. */
  deliver(message: Message, target: Target<Subscriber>, share?: SharedSubscription): void {
    let matched: Target<Subscriber> | undefined = target;
    if (target.own !== target && message.publisher?.clientId === this.clientId) {
      // [MQTT-3.8.3-3]
      matched = target.own;
      if (matched === undefined) return;
    }
    if (this.isBarred(message.topic)) return;
    // [MQTT-4.6.0-5]
    if (this.retained)
      for (const { subscriber } of this.retained.match(message.topic).targets) subscriber.sendNow(message.topic);
    // [MQTT-3.8.4-8]
    const qos = message.qos < matched.qos ? message.qos : matched.qos;
    // [MQTT-3.3.1-12] [MQTT-3.3.1-13]
    const retain = message.retain && matched.retainAsPublished;
    const { identifiers } = matched;
    if (qos === 0) this.sendAtMostOnce(message, retain, identifiers);
    else if (this.isQueuedWhereItEntered(message, share)) return;
    else this.enqueue(deliveryOf(message, qos, retain, identifiers, share));
  }

  /** Whether its queue has no room for the message, when what has expired has given way. */
  isFullFor(message: Message): boolean {
    if (!this.mayReceive(message.topic)) return false;
    if (this.stored?.isDurable) return this.stored.isFullFor?.(message.size) === true;
    return this.outgoing.isFullFor(message);
  }

  /** A message of the stored queue, in its turn. */
  take(delivery: Delivery, sequence: number): void {
    this.deliveries.take(delivery, sequence);
    if (this.connection) this.pump();
  }

  /** Sends a message for one subscription: retained messages, which carry RETAIN (3.3.1.3), a handler's greeting. */
  deliverFor(subscription: Subscription, message: Message): void {
    if (this.isBarred(message.topic)) return;
    const qos = message.qos < subscription.qos ? message.qos : subscription.qos;
    const identifiers = subscription.identifier === undefined ? undefined : [subscription.identifier];
    const { retain } = message;
    if (qos === 0) this.sendAtMostOnce(message, retain, identifiers);
    else this.enqueue(deliveryOf(message, qos, retain, identifiers, undefined));
  }

  /** The client is connected. */
  attach(connection: Connection): void {
    const { client, entrance } = connection;
    this.connection = connection;
    this.expiresAt = Infinity;
    this.rights = ReceiveRights.of(client!, entrance, this.broker.log);
  }

  /** Whether the client may get what is published to `topic`, whichever way it comes. */
  mayReceive(topic: string): boolean {
    if (this.rights?.mayReceive(topic) === false) return false;
    return !this.revoked || !this.isRevoked(topic, this.revoked);
  }

  /** The client may not have these subscriptions any more: filters as it wrote them. */
  revoke(filters: readonly string[]): void {
    const { subscriptions } = this.broker;
    const held = filters.filter((written) => this.subscriptions.has(written));
    for (const written of held) {
      (this.revoked ??= new Set()).add(this.subscriptions.get(written)!.filter);
      subscriptions.remove(this, written);
    }
    const client = this.connection?.client;
    if (client) for (const written of held) this.broker.announce('unsubscribed', client, written);
  }

  /** Behind the CONNACK, what is unfinished goes out again, then what waited. */
  resume(): void {
    this.ownOutgoing?.resume(this.connection!);
    this.pump();
  }

  /** The connection is gone. */
  detach(): void {
    this.connection = undefined;
    this.waiting.length = 0;
    this.retained = undefined;
    this.ownOutgoing?.deliveries.rewind();
  }

  /** The session is over: nothing is delivered to it any more. */
  end(): void {
    this.isEnded = true;
  }

  /** Nobody here has it any more. */
  letGo(): void {
    this.ownOutgoing?.deliveries.end();
  }

  /** Gives what it has not finished on behalf of groups back to them. */
  handBack(shares: ReadonlySet<SharedSubscription>): void {
    this.ownOutgoing?.handBack(shares, this.isEnded);
  }

  /** Its messages stay longer than the chunks that they came in may. */
  keep(): void {
    this.ownOutgoing?.deliveries.keep();
  }

  /** A QoS 2 message was routed: it is not routed again before its packet identifier is released ([MQTT-4.3.3-10]). */
  receive(packetId: number, publisher: Client | undefined): void {
    const { store, barrier } = this.broker;
    this.received.add(packetId);
    store.received(this, packetId);
    barrier.receive(this, publisher, packetId);
  }

  /** Messages of a tick that are not kept, and that their publishers will send again, have not gone out, and do not go. */
  withdraw(tick: number, isConcerned: (publisher: Client | undefined) => boolean): void {
    this.stored?.withdraw?.(tick, isConcerned);
    this.ownOutgoing?.withdraw(tick, isConcerned);
    this.connection?.sendOn();
  }

  /** Sends what waits, as far as Receive Maximum and the outbox allow. */
  pump(): void {
    const { connection } = this;
    if (!connection) return;
    this.ownOutgoing?.pump(connection);
    if (this.stored && this.queued < refillBelow) this.stored.refill();
    if (this.waiting.length > 0 && this.keepsUp()) for (const resume of this.waiting.splice(0)) resume();
  }

  /** Whether nothing waits: who has many messages for one session asks before each, and else lets itself be called. */
  keepsUp(): boolean {
    if (this.stored && !this.stored.isEmpty) return false;
    return this.queued === 0 && this.connection?.outbox.hasRoom() === true;
  }

  /** Calls `resume` once when nothing waits any more; never when the connection is gone before. */
  whenItKeepsUp(resume: () => void): void {
    this.waiting.push(resume);
  }

  /** The node where a message enters puts it into every stored queue, also that of a session which is here. */
  private isQueuedWhereItEntered(message: Message, share: SharedSubscription | undefined): boolean {
    return message.fromNode !== undefined && share === undefined && this.stored?.isDurable === true;
  }

  private enqueue(delivery: Delivery): void {
    const { stored } = this;
    if (stored?.isDurable) {
      delivery.message.keep();
      stored.append(delivery);
    } else {
      this.outgoing.enqueue(delivery);
    }
  }

  private sendAtMostOnce(message: Message, retain: boolean, identifiers: readonly number[] | undefined): void {
    const { connection, broker } = this;
    const frame = connection?.outbox.hasRoom() ? frameFor(connection, message, false, identifiers) : undefined;
    if (frame === undefined) {
      broker.counters.messagesDropped++;
      return;
    }
    broker.counters.messagesSent++;
    connection!.outbox.publish(frame, retain ? 0x31 : 0x30);
  }

  /** Asked about all that is to be queued or sent. */
  isBarred(topic: string): boolean {
    const isBarred = !this.mayReceive(topic);
    if (isBarred) this.broker.counters.messagesBarred++;
    return isBarred;
  }

  private isRevoked(topic: string, revoked: ReadonlySet<string>): boolean {
    for (const { filter } of this.subscriptions.values()) if (matches(filter, topic)) return false;
    for (const filter of revoked) if (matches(filter, topic)) return true;
    return false;
  }
}

/** Messages of the stored queue that wait in memory: with fewer it is asked for more. */
const refillBelow = 64;
/** Topics whose pending retained messages are remembered. */
const pendingTopics = 256;
