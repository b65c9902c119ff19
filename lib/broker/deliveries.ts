import { DeliveryState, type Delivery, type PlacedDelivery } from './delivery.js';
import type { SharedSubscription } from './shared-subscription.js';

/**
 * The QoS 1 and 2 messages on their way to one client, in their order: first those in flight, then those that wait.
 *
 * Each gets the session's next sequence number, and its packet identifier follows from it
 * (`sequence mod 65535 + 1`), so that a resend carries the original one ([MQTT-4.4.0-1]) and none is handed out twice:
 * the span in flight stays below 65,535.
 *
 * One ring of slots, each a Delivery and a few numbers: a message costs no object here, and an acknowledgement touches
 * nothing but numbers. What is done in the middle leaves an empty slot, which goes when it is the first, or when such slots
 * are half of what waits. An `index` counts from the first slot, and holds until something is settled or taken away.
 */
export class Deliveries {
  private slots: (Delivery | undefined)[] = [];
  /** Per slot the packet identifier, and above it the state, whether it is counted, and the QoS. */
  private marks = noMarks;
  private sequences = noNumbers;
  /** Per slot its place in a store; empty where no store gives any. */
  private places = noNumbers;
  private head = 0;
  private count = 0;
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
  private bytes = 0;
  /** Before this time nothing that waits has expired: a full queue is not searched for each message. */
  private earliestExpiry = Infinity;

  /** @param total of the queues of all sessions, this one included */
  constructor(private readonly total: QueueTotal = { bytes: 0 }) {}

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

  /**
   * Puts a delivery at the end.
   * @returns its sequence number
   */
  enqueue(delivery: Delivery): number {
    const sequence = this.nextSequence;
    this.push(delivery, sequence, DeliveryState.Waiting);
    this.countBytes(delivery.size);
    const { expiresAt } = delivery.message;
    if (expiresAt < this.earliestExpiry) this.earliestExpiry = expiresAt;
    return sequence;
  }

  /** Queues a message that has its sequence number, a higher one than all before. */
  take(delivery: Delivery, sequence: number): void {
    this.nextSequence = sequence;
    this.enqueue(delivery);
  }

  /** Puts back what was in flight on an earlier connection, in the order of the sequence numbers, before anything waits. */
  restore(delivery: Delivery, sequence: number, state: DeliveryState): void {
    this.push(delivery, sequence, state);
    this.flying++;
  }

  /** The store has the last one under this number. */
  setLastPlace(place: number): void {
    this.setPlace(this.count - 1, place);
  }

  /** The store has it under another number now. */
  move(sequence: number, place: number): void {
    this.setPlace(this.indexOf(sequence), place);
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
      if (index > 0 && this.sequenceAt(index) - this.sequenceAt(0) >= packetIds) return none;
      this.resent = this.flying = index + 1;
      const delivery = this.slots[this.slot(index)];
      if (delivery) {
        this.countBytes(-delivery.size);
        return this.counted(index);
      }
      this.forgetHole();
      this.trim();
    }
    return none;
  }

  /** The delivery in flight with this packet identifier; -1: none. */
  find(packetId: number): number {
    if (this.flying === 0) return none;
    const { marks } = this;
    const firstId = marks[this.head] & packetIdBits;
    const distance = (packetId < firstId ? packetId + packetIds : packetId) - firstId;
    // Dense unless the queue was full: a dropped message leaves a gap, then it stands further to the front.
    let high = distance < this.flying ? distance : this.flying - 1;
    if ((marks[this.slot(high)] & packetIdBits) !== packetId) {
      let low = 0;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if ((this.packetIdAt(middle) - firstId + packetIds) % packetIds < distance) low = middle + 1;
        else high = middle;
      }
    }
    const mark = marks[this.slot(high)];
    return (mark & packetIdBits) === packetId && (mark & stateBits) !== doneBits ? high : none;
  }

  at(index: number): Delivery {
    return this.slots[this.slot(index)]!;
  }

  stateAt(index: number): DeliveryState {
    return ((this.marks[this.slot(index)] & stateBits) >>> stateShift) as DeliveryState;
  }

  qosAt(index: number): 1 | 2 {
    return (this.marks[this.slot(index)] >>> qosShift) as 1 | 2;
  }

  packetIdAt(index: number): number {
    return this.marks[this.slot(index)] & packetIdBits;
  }

  sequenceAt(index: number): number {
    return this.sequences[this.slot(index)];
  }

  /** In the store; 0 where it has none. */
  placeAt(index: number): number {
    return this.places.length === 0 ? 0 : this.places[this.slot(index)];
  }

  /** The PUBLISH goes out, or its PUBREC has come. */
  mark(index: number, state: typeof DeliveryState.Sent | typeof DeliveryState.Released): void {
    const slot = this.slot(index);
    this.marks[slot] = (this.marks[slot] & ~stateBits) | (state << stateShift);
  }

  /** The client owns the message now, or will never have it: of those in flight. */
  settle(index: number): void {
    const slot = this.slot(index);
    const mark = this.marks[slot];
    if ((mark & countedBit) !== 0) this.unacknowledged--;
    this.marks[slot] = (mark | doneBits) & ~countedBit;
    this.slots[slot] = undefined;
    if (index === 0) this.trim();
  }

  /** The connection is gone: what is unfinished will be sent again on the next one. */
  rewind(): void {
    this.resent = 0;
    this.unacknowledged = 0;
    for (let index = 0; index < this.flying; index++) this.marks[this.slot(index)] &= ~countedBit;
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

  /** Takes away what waits on behalf of `shares`. */
  takeShared(shares: ReadonlySet<SharedSubscription>): PlacedDelivery[] {
    return this.takeWaiting(({ share }) => share !== undefined && shares.has(share));
  }

  /** The session is over: nothing is kept, and nothing counts any more. Somebody may hold on to the session for a while. */
  end(): void {
    this.countBytes(-this.bytes);
    this.count = this.flying = this.resent = this.holes = this.leadingHoles = this.unacknowledged = 0;
    this.slots = [];
    this.marks = noMarks;
    this.sequences = this.places = noNumbers;
  }

  /** Takes away what was sent on behalf of `shares` at QoS 1 and is not acknowledged. */
  takeSent(shares: ReadonlySet<SharedSubscription>): PlacedDelivery[] {
    const taken = this.unfinished().filter(({ delivery: { share, qos }, state }) => {
      return share !== undefined && shares.has(share) && qos === 1 && state === DeliveryState.Sent;
    });
    for (const { sequence } of taken) this.settle(this.indexOf(sequence));
    return taken;
  }

  /**
   * Copies what is still here out of the chunks that it came in, and gives back room that is not used. What was here the last
   * time is copied already.
   */
  keep(): void {
    for (let index = this.count - 1; index >= 0 && this.sequenceAt(index) >= this.keptTo; index--) {
      this.slots[this.slot(index)]?.message.keep();
    }
    this.keptTo = this.nextSequence;
    if (this.count < this.slots.length / 8) this.moveTo(Math.max(fewest, this.slots.length / 2));
  }

  private slot(index: number): number {
    return (this.head + index) & (this.slots.length - 1);
  }

  private push(delivery: Delivery, sequence: number, state: DeliveryState): void {
    if (this.count === this.slots.length) this.moveTo(Math.max(fewest, this.count * 2));
    const slot = this.slot(this.count++);
    this.slots[slot] = delivery;
    this.sequences[slot] = sequence;
    this.marks[slot] = packetIdOf(sequence) | (state << stateShift) | (delivery.qos << qosShift);
    if (this.places.length > 0) this.places[slot] = 0;
    this.nextSequence = sequence + 1;
  }

  private setPlace(index: number, place: number): void {
    if (this.places.length === 0) this.places = new Float64Array(this.slots.length);
    this.places[this.slot(index)] = place;
  }

  /** Of what waits or is in flight; sequence numbers ascend. */
  private indexOf(sequence: number): number {
    let low = 0;
    let high = this.count - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.sequenceAt(middle) < sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private firstWaitingIndex(): number {
    let index = this.flying + this.leadingHoles;
    while (index < this.count && this.slots[this.slot(index)] === undefined) index++;
    this.leadingHoles = index - this.flying;
    return index < this.count ? index : none;
  }

  private countBytes(bytes: number): void {
    this.bytes += bytes;
    this.total.bytes += bytes;
  }

  private counted(index: number): number {
    this.marks[this.slot(index)] |= countedBit;
    this.unacknowledged++;
    return index;
  }

  private placedAt(index: number): PlacedDelivery {
    return {
      delivery: this.at(index),
      packetId: this.packetIdAt(index),
      sequence: this.sequenceAt(index),
      place: this.placeAt(index),
      state: this.stateAt(index),
    };
  }

  private placed(from: number, to: number): PlacedDelivery[] {
    const placed: PlacedDelivery[] = [];
    for (let index = from; index < to; index++) {
      if (this.slots[this.slot(index)] !== undefined) placed.push(this.placedAt(index));
    }
    return placed;
  }

  private takeWaiting(isMeant: (delivery: Delivery) => boolean): PlacedDelivery[] {
    const taken: PlacedDelivery[] = [];
    for (let index = this.flying; index < this.count; index++) {
      const delivery = this.slots[this.slot(index)];
      if (delivery === undefined || !isMeant(delivery)) continue;
      taken.push(this.placedAt(index));
      this.empty(index);
    }
    this.compact();
    return taken;
  }

  /** Of what waits. */
  private empty(index: number): void {
    const slot = this.slot(index);
    this.countBytes(-this.slots[slot]!.size);
    this.slots[slot] = undefined;
    this.marks[slot] |= doneBits;
    this.holes++;
  }

  private forgetHole(): void {
    this.holes--;
    if (this.leadingHoles > 0) this.leadingHoles--;
  }

  /** Empty slots at the front go. */
  private trim(): void {
    while (this.count > 0 && this.slots[this.head] === undefined) {
      this.head = (this.head + 1) & (this.slots.length - 1);
      this.count--;
      if (this.flying > 0) {
        this.flying--;
        if (this.resent > 0) this.resent--;
      } else {
        this.forgetHole();
      }
    }
    if (this.count === 0 && this.slots.length > mostEmpty) this.moveTo(fewest);
  }

  /** Empty slots among what waits go when they are many. */
  private compact(): void {
    this.trim();
    if (this.holes <= fewHoles || this.holes <= this.queued) return;
    this.moveTo(this.slots.length);
  }

  /** Moves everything into a ring of `room` slots; empty ones among what waits stay behind. */
  private moveTo(room: number): void {
    const { slots, marks, sequences, places, head, count, flying } = this;
    this.slots = Array.from<Delivery | undefined>({ length: room }).fill(undefined);
    this.marks = new Uint32Array(room);
    this.sequences = new Float64Array(room);
    if (places.length > 0) this.places = new Float64Array(room);
    this.head = this.count = this.holes = this.leadingHoles = 0;
    for (let index = 0; index < count; index++) {
      const from = (head + index) & (slots.length - 1);
      if (index >= flying && slots[from] === undefined) continue;
      const to = this.count++;
      this.slots[to] = slots[from];
      this.marks[to] = marks[from];
      this.sequences[to] = sequences[from];
      if (places.length > 0) this.places[to] = places[from];
    }
  }
}

/** Bytes of the messages that wait, in all queues of a broker. */
export interface QueueTotal {
  bytes: number;
}

/** No index. */
const none = -1;
/** Packet identifiers that there are: 1 to 65,535. */
const packetIds = 65_535;
const packetIdBits = 0xffff;
const stateShift = 16;
const stateBits = 3 << stateShift;
const doneBits = DeliveryState.Done << stateShift;
const countedBit = 1 << 18;
const qosShift = 19;
/** Room in slots: at first, and where nothing is left. */
const fewest = 8;
const mostEmpty = 1024;
/** Empty slots that are never too many. */
const fewHoles = 32;
const noMarks = new Uint32Array(0);
const noNumbers = new Float64Array(0);

const packetIdOf = (sequence: number): number => (sequence % packetIds) + 1;
