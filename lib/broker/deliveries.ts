import type { Message } from './message.js';
import { Ring } from './ring.js';
import type { SharedSubscription } from './shared-subscription.js';

/**
 * The QoS 1 and 2 messages on their way to one client: in flight, and waiting behind.
 *
 * Each gets the session's next sequence number, and its packet identifier follows from it
 * (`sequence mod 65535 + 1`), so that a resend carries the original one ([MQTT-4.4.0-1]) and none is handed out twice:
 * the span in flight stays below 65,535.
 */
export class Deliveries {
  private readonly inFlight = new Ring<Delivery>();
  private readonly waiting = new Ring<Delivery>();
  private nextSequence = 0;
  /** Messages with lower sequence numbers lie in no chunk any more. */
  private keptTo = 0;
  /** How many at the front of `inFlight` were sent on this connection; those behind have to be sent again. */
  private resent = 0;
  private unacknowledged = 0;
  private bytes = 0;
  /** Before this time nothing that waits has expired: a full queue is not searched for each message. */
  private earliestExpiry = Infinity;

  /** Messages that are not in flight yet. */
  get queued(): number {
    return this.waiting.length;
  }

  /** Bytes of the messages that are not in flight yet. */
  get queuedBytes(): number {
    return this.bytes;
  }

  /** Messages sent on this connection and neither acknowledged nor completed: what the Receive Maximum counts. */
  get sending(): number {
    return this.unacknowledged;
  }

  /** Everything that is neither acknowledged nor dropped. */
  get length(): number {
    let open = this.waiting.length;
    for (let index = 0; index < this.inFlight.length; index++) {
      if (this.inFlight.at(index)!.state !== DeliveryState.Done) open++;
    }
    return open;
  }

  /** Gives a delivery its place and its sequence number. */
  enqueue(delivery: Delivery): void {
    delivery.sequence = this.nextSequence++;
    this.waiting.push(delivery);
    this.bytes += delivery.size;
    const { expiresAt } = delivery.message;
    if (expiresAt < this.earliestExpiry) this.earliestExpiry = expiresAt;
  }

  /** Queues a message that has its sequence number, a higher one than all before. */
  take(delivery: Delivery, sequence: number): void {
    this.nextSequence = sequence;
    this.enqueue(delivery);
  }

  /** Puts back what was in flight on an earlier connection, in the order of the sequence numbers. */
  restore(delivery: Delivery, sequence: number): void {
    delivery.sequence = sequence;
    this.nextSequence = sequence + 1;
    this.inFlight.push(delivery);
  }

  /** Sequence number of the first message that was never sent; undefined where none waits. */
  get firstWaiting(): number | undefined {
    return this.waiting.at(0)?.sequence;
  }

  /** Takes away the oldest message that is not in flight yet. */
  dropOldest(): Delivery | undefined {
    const delivery = this.waiting.shift();
    if (delivery) this.bytes -= delivery.size;
    return delivery;
  }

  /** What was sent on behalf of `shares` at QoS 1 and is not acknowledged. */
  sentAtLeastOnce(shares: ReadonlySet<SharedSubscription>): Delivery[] {
    const sent: Delivery[] = [];
    for (let index = 0; index < this.inFlight.length; index++) {
      const delivery = this.inFlight.at(index)!;
      const { share, qos, state } = delivery;
      if (share && shares.has(share) && qos === 1 && state === DeliveryState.Sent) sent.push(delivery);
    }
    return sent;
  }

  /** What an earlier connection left unfinished, in its order. */
  unfinished(): Delivery[] {
    const unfinished: Delivery[] = [];
    for (let index = 0; index < this.inFlight.length; index++) {
      const delivery = this.inFlight.at(index)!;
      if (delivery.state !== DeliveryState.Done) unfinished.push(delivery);
    }
    return unfinished;
  }

  /** All that is neither acknowledged nor dropped, in its order. */
  all(): Delivery[] {
    const all = this.unfinished();
    for (let index = 0; index < this.waiting.length; index++) all.push(this.waiting.at(index)!);
    return all;
  }

  /** Copies what is still here out of the chunks that it came in; what was here the last time is copied already. */
  keep(): void {
    for (const deliveries of [this.waiting, this.inFlight]) {
      for (let index = deliveries.length - 1; index >= 0; index--) {
        const { sequence, message, state } = deliveries.at(index)!;
        if (sequence < this.keptTo) break;
        if (state !== DeliveryState.Done) message.keep();
      }
    }
    this.keptTo = this.nextSequence;
  }

  /** Sequence number behind the last message that was sent; 0 where none was. */
  get sentTo(): number {
    const { length } = this.inFlight;
    return length === 0 ? 0 : this.inFlight.at(length - 1)!.sequence + 1;
  }

  /** Takes away what waits and has expired. */
  takeExpired(now: number): Delivery[] {
    if (now < this.earliestExpiry) return [];
    this.earliestExpiry = Infinity;
    for (let index = 0; index < this.waiting.length; index++) {
      const { expiresAt } = this.waiting.at(index)!.message;
      if (expiresAt > now && expiresAt < this.earliestExpiry) this.earliestExpiry = expiresAt;
    }
    return this.takeWaiting(({ message }) => message.isExpired(now));
  }

  /** Takes away what waits on behalf of `shares`. */
  takeShared(shares: ReadonlySet<SharedSubscription>): Delivery[] {
    return this.takeWaiting(({ share }) => share !== undefined && shares.has(share));
  }

  /** The next PUBLISH: first, in their order, what an earlier connection left unacknowledged, then what waits. */
  next(): Delivery | undefined {
    while (this.resent < this.inFlight.length) {
      const delivery = this.inFlight.at(this.resent++)!;
      if (delivery.state === DeliveryState.Sent) return this.count(delivery);
    }
    const first = this.inFlight.at(0);
    const delivery = this.waiting.at(0);
    if (!delivery || (first && delivery.sequence - first.sequence >= packetIds)) return undefined;
    this.waiting.shift();
    this.bytes -= delivery.size;
    this.inFlight.push(delivery);
    this.resent++;
    return this.count(delivery);
  }

  /** The delivery in flight with this packet identifier. */
  find(packetId: number): Delivery | undefined {
    const first = this.inFlight.at(0);
    if (!first) return undefined;
    const offset = (packetId - 1 - (first.sequence % packetIds) + packetIds) % packetIds;
    const sequence = first.sequence + offset;
    // Dense unless the queue was full: a dropped message leaves a gap, then it stands further to the front.
    let high = Math.min(offset, this.inFlight.length - 1);
    if (this.inFlight.at(high)!.sequence !== sequence) {
      let low = 0;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (this.inFlight.at(middle)!.sequence < sequence) low = middle + 1;
        else high = middle;
      }
    }
    const found = this.inFlight.at(high)!;
    return found.sequence === sequence && found.state !== DeliveryState.Done ? found : undefined;
  }

  /** The client owns the message now, or will never have it. */
  settle(delivery: Delivery): void {
    delivery.state = DeliveryState.Done;
    if (delivery.isCounted) this.unacknowledged--;
    delivery.isCounted = false;
    while (this.inFlight.at(0)?.state === DeliveryState.Done) {
      this.inFlight.shift();
      if (this.resent > 0) this.resent--;
    }
  }

  /** The connection is gone: what is unfinished will be sent again on the next one. */
  rewind(): void {
    this.resent = 0;
    this.unacknowledged = 0;
    for (let index = 0; index < this.inFlight.length; index++) this.inFlight.at(index)!.isCounted = false;
  }

  private takeWaiting(isMeant: (delivery: Delivery) => boolean): Delivery[] {
    const taken: Delivery[] = [];
    for (let count = this.waiting.length; count > 0; count--) {
      const delivery = this.waiting.shift()!;
      if (isMeant(delivery)) taken.push(delivery);
      else this.waiting.push(delivery);
    }
    for (const { size } of taken) this.bytes -= size;
    return taken;
  }

  private count(delivery: Delivery): Delivery {
    delivery.isCounted = true;
    this.unacknowledged++;
    return delivery;
  }
}

/** How far a delivery has come. */
export const DeliveryState = {
  Waiting: 0,
  /** PUBLISH sent, no PUBACK or PUBREC yet. */
  Sent: 1,
  /** PUBREC received, PUBREL sent, no PUBCOMP yet. */
  Released: 2,
  /** Acknowledged or dropped. */
  Done: 3,
} as const;

/** One message for one client at QoS 1 or 2. */
export class Delivery {
  /** Its place among the session's messages; given when it is queued. */
  sequence = 0;
  state: (typeof DeliveryState)[keyof typeof DeliveryState] = DeliveryState.Waiting;
  /** Whether it takes part of the Receive Maximum of this connection. */
  isCounted = false;
  /** Its place in a store; 0 where it has none. */
  place = 0;

  /**
   * @param identifiers Subscription Identifiers of the matching subscriptions
   * @param share the Shared Subscription on whose behalf the client gets it
   */
  constructor(
    readonly message: Message,
    readonly qos: 1 | 2,
    readonly retain: boolean,
    readonly identifiers: readonly number[] | undefined,
    readonly share: SharedSubscription | undefined,
  ) {}

  /** Bytes that the message takes. */
  get size(): number {
    return this.message.size;
  }
}

/** Packet identifiers that there are: 1 to 65,535. */
const packetIds = 65_535;

export const packetIdOf = (delivery: Delivery): number => (delivery.sequence % packetIds) + 1;
