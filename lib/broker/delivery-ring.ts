import { DeliveryState, type Delivery, type PlacedDelivery } from './delivery.js';

/**
 * A ring of slots, each a Delivery and a few numbers: a message costs no object here, and an acknowledgement touches nothing
 * but numbers. What is taken out of the middle leaves an empty slot.
 *
 * An `index` counts from the first slot, and holds until slots at the front go, or everything moves.
 */
export class DeliveryRing {
  /** Slots in use, empty ones among them. */
  protected count = 0;
  private head = 0;
  private slots: (Delivery | undefined)[] = [];
  /** Per slot the packet identifier, and above it the state, whether it is counted, and the QoS. */
  private marks = noMarks;
  private sequences = noNumbers;
  /** Per slot the bytes that its message takes. */
  private sizes = noMarks;
  /** Per slot its place in a store; nothing where no store gives any. */
  private places = noNumbers;

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

  sizeAt(index: number): number {
    return this.sizes[this.slot(index)];
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

  /** Slots that there are. */
  protected get room(): number {
    return this.slots.length;
  }

  protected isEmptyAt(index: number): boolean {
    return this.slots[this.slot(index)] === undefined;
  }

  /** Behind the last one; there has to be room. */
  protected append(delivery: Delivery, sequence: number, state: DeliveryState): void {
    const slot = this.slot(this.count++);
    this.slots[slot] = delivery;
    this.sequences[slot] = sequence;
    this.sizes[slot] = delivery.size;
    this.marks[slot] = packetIdOf(sequence) | (state << stateShift) | (delivery.qos << qosShift);
    if (this.places.length > 0) this.places[slot] = 0;
  }

  /** The first one goes. */
  protected shift(): void {
    this.head = (this.head + 1) & (this.slots.length - 1);
    this.count--;
  }

  /**
   * Leaves an empty slot.
   * @returns whether it was counted
   */
  protected takeOut(index: number): boolean {
    const slot = this.slot(index);
    const mark = this.marks[slot];
    this.marks[slot] = (mark | doneBits) & ~countedBit;
    this.slots[slot] = undefined;
    return (mark & countedBit) !== 0;
  }

  /** It takes part of the Receive Maximum, or does not. */
  protected setCounted(index: number, isCounted: boolean): void {
    const slot = this.slot(index);
    if (isCounted) this.marks[slot] |= countedBit;
    else this.marks[slot] &= ~countedBit;
  }

  protected setPlace(index: number, place: number): void {
    if (this.places.length === 0) this.places = new Float64Array(this.slots.length);
    this.places[this.slot(index)] = place;
  }

  /** Where this packet identifier is among the first `among`, which span fewer than there are; -1: nowhere. */
  protected indexOfPacketId(packetId: number, among: number): number {
    if (among === 0) return none;
    const { marks } = this;
    const firstId = marks[this.head] & packetIdBits;
    const distance = (packetId < firstId ? packetId + packetIds : packetId) - firstId;
    // Dense unless the queue was full: a dropped message leaves a gap, then it stands further to the front.
    let high = distance < among ? distance : among - 1;
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

  /** Where a sequence number is that is there; they ascend. */
  protected indexOfSequence(sequence: number): number {
    let low = 0;
    let high = this.count - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.sequenceAt(middle) < sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  protected placedAt(index: number): PlacedDelivery {
    return {
      delivery: this.at(index),
      packetId: this.packetIdAt(index),
      sequence: this.sequenceAt(index),
      place: this.placeAt(index),
      state: this.stateAt(index),
    };
  }

  /** Those in slots `[from, to)`. */
  protected placed(from: number, to: number): PlacedDelivery[] {
    const placed: PlacedDelivery[] = [];
    for (let index = from; index < to; index++) if (!this.isEmptyAt(index)) placed.push(this.placedAt(index));
    return placed;
  }

  /** Moves everything into a ring of `room` slots; empty ones from `emptyFrom` on stay behind. */
  protected moveTo(room: number, emptyFrom: number): void {
    const { slots, marks, sequences, sizes, places, head, count } = this;
    this.slots = Array.from<Delivery | undefined>({ length: room }).fill(undefined);
    this.marks = new Uint32Array(room);
    this.sequences = new Float64Array(room);
    this.sizes = new Uint32Array(room);
    if (places.length > 0) this.places = new Float64Array(room);
    this.head = this.count = 0;
    for (let index = 0; index < count; index++) {
      const from = (head + index) & (slots.length - 1);
      if (index >= emptyFrom && slots[from] === undefined) continue;
      const to = this.count++;
      this.slots[to] = slots[from];
      this.marks[to] = marks[from];
      this.sequences[to] = sequences[from];
      this.sizes[to] = sizes[from];
      if (places.length > 0) this.places[to] = places[from];
    }
  }

  /** Nothing is left, and no room is taken. */
  protected clear(): void {
    this.count = this.head = 0;
    this.slots = [];
    this.marks = this.sizes = noMarks;
    this.sequences = this.places = noNumbers;
  }

  private slot(index: number): number {
    return (this.head + index) & (this.slots.length - 1);
  }
}

/** No index. */
export const none = -1;
/** Packet identifiers that there are: 1 to 65,535. */
export const packetIds = 65_535;
const packetIdBits = 0xffff;
const stateShift = 16;
const stateBits = 3 << stateShift;
const doneBits = DeliveryState.Done << stateShift;
const countedBit = 1 << 18;
const qosShift = 19;
const noMarks = new Uint32Array(0);
const noNumbers = new Float64Array(0);

const packetIdOf = (sequence: number): number => (sequence % packetIds) + 1;
