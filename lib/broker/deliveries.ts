import { DeliveryState, type Delivery, type PlacedDelivery } from './delivery.js';
import { DeliveryRing, none, packetIds } from './delivery-ring.js';
import type { SharedSubscription } from './shared-subscription.js';

/**
 * The QoS 1 and 2 messages on their way to one client, in their order: first those in flight, then those that wait.
 *
 * Each gets the session's next sequence number, and its packet identifier follows from it
 * (`sequence mod 65535 + 1`), so that a resend carries the original one ([MQTT-4.4.0-1]) and none is handed out twice:
 * the span in flight stays below 65,535.
 *
 * An empty slot goes when it is the first, or when such slots are half of what waits. An `index` holds until something is
 * settled or taken away.
 */
export class Deliveries extends DeliveryRing {
  /** How many at the front are in flight, or done. */
  private flying = 0;
  /** How many of those were sent on this connection; those behind have to be sent again. */
  private resent = 0;
  /** Empty slots among what waits, and how many of them are known to be its first. */
  private holes = 0;
  private leadingHoles = 0;
  private nextSequence = 0;
  /** Messages with lower sequence numbers lie in no chunk any more. */
  private keptTo = 0;
  private unacknowledged = 0;
  private unacknowledgedBytes = 0;
  private bytes = 0;
  /** Before this time nothing that waits has expired: a full queue is not searched for each message. */
  private earliestExpiry = Infinity;

  /** @param total of the queues of all sessions, this one included */
  constructor(private readonly total: QueueTotal = { bytes: 0 }) {
    super();
  }

  /** Messages that are not in flight yet. */
  get queued(): number {
    return this.count - this.flying - this.holes;
  }

  /** Bytes of the messages that are not in flight yet. */
  get queuedBytes(): number {
    return this.bytes;
  }

  /** Messages sent on this connection and neither acknowledged nor completed: what the Receive Maximum counts. */
  get sending(): number {
    return this.unacknowledged;
  }

  /** Whether what comes now is what is sent next. */
  get isNextFree(): boolean {
    const { count, flying, resent } = this;
    return flying === count && resent === count && !this.isSpanFull(count, this.nextSequence);
  }

  /** Sequence number of the delivery that came last. */
  get lastSequence(): number {
    return this.nextSequence - 1;
  }

  /** Bytes of those. */
  get sendingBytes(): number {
    return this.unacknowledgedBytes;
  }

  /**
   * Takes a delivery that is sent before it waits for anything (`isNextFree`).
   * @returns its index
   */
  fly(delivery: Delivery): number {
    this.push(delivery, this.nextSequence, DeliveryState.Waiting);
    this.resent = this.flying = this.count;
    return this.counted(this.count - 1);
  }

  /** Puts a delivery at the end. */
  enqueue(delivery: Delivery): void {
    this.push(delivery, this.nextSequence, DeliveryState.Waiting);
    this.countBytes(delivery.size);
    const { expiresAt } = delivery.message;
    if (expiresAt < this.earliestExpiry) this.earliestExpiry = expiresAt;
  }

  /** Queues a message that has its sequence number, a higher one than all before. */
  take(delivery: Delivery, sequence: number): void {
    this.nextSequence = sequence;
    this.enqueue(delivery);
  }

  /** Puts back what was in flight on an earlier connection, in the order of the sequence numbers, before anything waits. */
  restore(delivery: Delivery, sequence: number, state: DeliveryState): void {
    if (this.flying < this.count) throw new Error('what was in flight cannot be behind what waits');
    this.push(delivery, sequence, state);
    this.flying++;
  }

  /** The store has the last one under this number. */
  setLastPlace(place: number): void {
    this.setPlace(this.count - 1, place);
  }

  /** The store has it under another number now. */
  move(sequence: number, place: number): void {
    this.setPlace(this.indexOfSequence(sequence), place);
  }

  /** Sequence number of the first message that was never sent; undefined where none waits. */
  get firstWaiting(): number | undefined {
    const index = this.firstWaitingIndex();
    return index === none ? undefined : this.sequenceAt(index);
  }

  /** Sequence number behind the last message that was sent; 0 where none was. */
  get sentTo(): number {
    return this.flying === 0 ? 0 : this.sequenceAt(this.flying - 1) + 1;
  }

  /** The next PUBLISH: first, in their order, what an earlier connection left unacknowledged, then what waits; -1: none. */
  next(): number {
    while (this.resent < this.flying) {
      const index = this.resent++;
      if (this.stateAt(index) === DeliveryState.Sent) return this.counted(index);
    }
    while (this.flying < this.count) {
      const index = this.flying;
      if (this.isSpanFull(index, this.sequenceAt(index))) return none;
      this.resent = this.flying = index + 1;
      if (!this.isEmptyAt(index)) {
        this.countBytes(-this.sizeAt(index));
        return this.counted(index);
      }
      this.forgetHole();
      this.trim();
    }
    return none;
  }

  /** What `next` would give. */
  peek(): Delivery | undefined {
    while (this.resent < this.flying && this.stateAt(this.resent) !== DeliveryState.Sent) this.resent++;
    if (this.resent < this.flying) return this.at(this.resent);
    const index = this.firstWaitingIndex();
    return index === none ? undefined : this.at(index);
  }

  /** The delivery in flight with this packet identifier; -1: none. */
  find(packetId: number): number {
    return this.indexOfPacketId(packetId, this.flying);
  }

  /** The client owns the message now, or will never have it: of those in flight. */
  settle(index: number): void {
    const size = this.sizeAt(index);
    if (this.takeOut(index)) {
      this.unacknowledged--;
      this.unacknowledgedBytes -= size;
    }
    if (index === 0) this.trim();
  }

  /** The connection is gone: what is unfinished will be sent again on the next one. */
  rewind(): void {
    this.resent = 0;
    this.unacknowledged = this.unacknowledgedBytes = 0;
    for (let index = 0; index < this.flying; index++) this.setCounted(index, false);
  }

  /** What an earlier connection left unfinished, in its order. */
  unfinished(): PlacedDelivery[] {
    return this.placed(0, this.flying);
  }

  /** All that is neither acknowledged nor dropped, in its order. */
  all(): PlacedDelivery[] {
    return this.placed(0, this.count);
  }

  /** Takes away the oldest message that is not in flight yet. */
  dropOldest(): PlacedDelivery | undefined {
    const index = this.firstWaitingIndex();
    if (index === none) return undefined;
    const dropped = this.placedAt(index);
    this.empty(index);
    this.compact();
    return dropped;
  }

  /** Takes away what waits and has expired. */
  takeExpired(now: number): PlacedDelivery[] {
    if (now < this.earliestExpiry) return [];
    this.earliestExpiry = Infinity;
    return this.takeWaiting(({ message: { expiresAt } }) => {
      if (expiresAt <= now) return true;
      if (expiresAt < this.earliestExpiry) this.earliestExpiry = expiresAt;
      return false;
    });
  }

  /** Takes away of what waits those that are meant. */
  takeWaiting(isMeant: (delivery: Delivery) => boolean): PlacedDelivery[] {
    const taken: PlacedDelivery[] = [];
    for (let index = this.flying; index < this.count; index++) {
      if (this.isEmptyAt(index) || !isMeant(this.at(index))) continue;
      taken.push(this.placedAt(index));
      this.empty(index);
    }
    this.compact();
    return taken;
  }

  /** Takes away what waits on behalf of `shares`. */
  takeShared(shares: ReadonlySet<SharedSubscription>): PlacedDelivery[] {
    return this.takeWaiting(({ share }) => share !== undefined && shares.has(share));
  }

  /** The session is over: nothing is kept, and nothing counts any more. Somebody may hold on to the session for a while. */
  end(): void {
    this.countBytes(-this.bytes);
    this.flying = this.resent = this.holes = this.leadingHoles = 0;
    this.unacknowledged = this.unacknowledgedBytes = 0;
    this.clear();
  }

  /** Takes away what was sent on behalf of `shares` at QoS 1 and is not acknowledged. */
  takeSent(shares: ReadonlySet<SharedSubscription>): PlacedDelivery[] {
    const taken = this.unfinished().filter(({ delivery: { share, qos }, state }) => {
      return share !== undefined && shares.has(share) && qos === 1 && state === DeliveryState.Sent;
    });
    for (const { sequence } of taken) this.settle(this.indexOfSequence(sequence));
    return taken;
  }

  /**
   * Copies what is still here out of the chunks that it came in, and gives back room that is not used. What was here the last
   * time is copied already.
   */
  keep(): void {
    for (let index = this.count - 1; index >= 0 && this.sequenceAt(index) >= this.keptTo; index--) {
      if (!this.isEmptyAt(index)) this.at(index).message.keep();
    }
    this.keptTo = this.nextSequence;
    if (this.count < this.room / 8) this.fit(Math.max(fewest, this.room / 2));
  }

  /** Whether its packet identifier may still be in use. */
  private isSpanFull(index: number, sequence: number): boolean {
    return index > 0 && sequence - this.sequenceAt(0) >= packetIds;
  }

  private firstWaitingIndex(): number {
    let index = this.flying + this.leadingHoles;
    while (index < this.count && this.isEmptyAt(index)) index++;
    this.leadingHoles = index - this.flying;
    return index < this.count ? index : none;
  }

  private countBytes(bytes: number): void {
    this.bytes += bytes;
    this.total.bytes += bytes;
  }

  private counted(index: number): number {
    this.setCounted(index, true);
    this.unacknowledged++;
    this.unacknowledgedBytes += this.sizeAt(index);
    return index;
  }

  /** Of what waits. */
  private empty(index: number): void {
    this.countBytes(-this.sizeAt(index));
    this.takeOut(index);
    this.holes++;
  }

  private forgetHole(): void {
    this.holes--;
    if (this.leadingHoles > 0) this.leadingHoles--;
  }

  /** Empty slots at the front go. */
  private trim(): void {
    while (this.count > 0 && this.isEmptyAt(0)) {
      this.shift();
      if (this.flying > 0) {
        this.flying--;
        if (this.resent > 0) this.resent--;
      } else {
        this.forgetHole();
      }
    }
    if (this.count === 0 && this.room > mostEmpty) this.fit(fewest);
  }

  /** Empty slots among what waits go when they are many. */
  private compact(): void {
    this.trim();
    if (this.holes <= fewHoles || this.holes <= this.queued) return;
    this.fit(this.room);
  }

  private push(delivery: Delivery, sequence: number, state: DeliveryState): void {
    if (this.count === this.room) this.fit(Math.max(fewest, this.count * 2));
    this.append(delivery, sequence, state);
    this.nextSequence = sequence + 1;
  }

  /** Empty slots among what waits stay behind. */
  private fit(room: number): void {
    this.moveTo(room, this.flying);
    this.holes = this.leadingHoles = 0;
  }
}

/** Bytes of the messages that wait, in all queues of a broker. */
export interface QueueTotal {
  bytes: number;
}

/** Room in slots: at first, and where nothing is left. */
const fewest = 8;
const mostEmpty = 1024;
/** Empty slots that are never too many. */
const fewHoles = 32;
