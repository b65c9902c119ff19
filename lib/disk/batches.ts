import type { Delivery } from '../broker/delivery.js';
import type { Session } from '../broker/session.js';
import { ByteReader } from '../protocol/byte-reader.js';
import { ByteWriter } from '../protocol/byte-writer.js';
import { writeDelivery } from '../records/delivery-record.js';
import type { StoredEntry } from './disk-records.js';
import type { Journal } from './journal.js';

/**
 * Messages for clients that are connected: nearly all are acknowledged within milliseconds. So those of a tick are written as
 * one value and not each under a key of its own, and what has become of them as one byte for each. A batch goes with its last
 * message; what stays for longer moves to the queue, where each has its own key, so that no batch is kept for the sake of a few.
 *
 * The place of a message here is a negative number: that of its batch, and where it is in it.
 */
export class Batches {
  /** By their numbers, which follow each other; undefined once they are gone. */
  private readonly written: (Batch | undefined)[] = [];
  private firstNumber = 1;
  /** Of this tick. */
  private open: Batch | undefined;
  /** Written before, and not as it was any more. */
  private changed: Batch[] = [];
  private readonly writer = new ByteWriter(largestBatch);

  constructor(private readonly journal: Journal) {}

  /**
   * @param number of the session in the file
   * @param now milliseconds since the epoch
   * @returns its place
   */
  add(session: Session, number: number, delivery: Delivery, sequence: number, now: number): number {
    if (this.open && (this.open.count === mostInBatch || this.writer.length > largestBatch)) this.close();
    const batch = (this.open ??= this.begin(now));
    const { position } = this.writer;
    try {
      this.append(batch, number, delivery, sequence, now);
    } catch (error) {
      // Half of an entry would spoil all that is behind it.
      this.writer.position = position;
      throw error;
    }
    return placeOf(batch, batch.add(session, delivery, sequence));
  }

  /** A message was acknowledged, dropped, or moved. */
  remove(place: number): void {
    const batch = this.batchOf(place);
    const index = indexOf(place);
    if (!batch || batch.states[index] === State.Gone) return;
    batch.remove(index);
    this.change(batch);
  }

  /** PUBREC came for a message. */
  handedOver(place: number): void {
    const batch = this.batchOf(place);
    if (!batch) return;
    batch.states[indexOf(place)] = State.HandedOver;
    this.change(batch);
  }

  /** The tick is over: says to the journal what has come in it, and what has become of what came before. */
  write(): void {
    this.close();
    const { changed } = this;
    if (changed.length === 0) return;
    this.changed = [];
    for (const batch of changed) {
      batch.isChanged = false;
      if (batch.live === 0) {
        this.forget(batch);
      } else {
        batch.hasStates = true;
        this.journal.put('states', batch.number, Buffer.from(batch.states));
      }
    }
  }

  /** What was written before `time`, and is still here. */
  *olderThan(time: number): Generator<Young, void> {
    for (const batch of this.written) {
      if (!batch) continue;
      if (batch.writtenAt >= time) return;
      for (let index = 0; index < batch.count; index++) {
        if (batch.states[index] === State.Gone) continue;
        yield {
          session: batch.sessions[index]!,
          delivery: batch.deliveries[index]!,
          sequence: batch.sequences[index],
          place: placeOf(batch, index),
          isReleased: batch.states[index] === State.HandedOver,
        };
      }
    }
  }

  private append(batch: Batch, number: number, delivery: Delivery, sequence: number, now: number): void {
    // Most receivers of a message get it alike: its bytes stand there once.
    const isSame = batch.deliveries.at(-1) === delivery;
    this.writer
      .uint32(number)
      .uint48(sequence)
      .byte(isSame ? likeBefore : itself);
    if (isSame) return;
    const lengthAt = this.writer.position;
    writeDelivery(this.writer.uint32(0), delivery, now).setUint32(lengthAt, this.writer.position - lengthAt - 4);
  }

  private begin(now: number): Batch {
    this.writer.begin();
    return new Batch(this.firstNumber + this.written.length, now);
  }

  private close(): void {
    const { open } = this;
    if (!open) return;
    this.open = undefined;
    // All of it may have gone in the tick in which it came.
    if (open.live === 0) return;
    this.written.push(open);
    this.journal.put('batches', open.number, this.writer.body());
    if (open.states.some((state) => state !== State.Waiting)) this.change(open);
  }

  private change(batch: Batch): void {
    if (batch.isChanged || batch === this.open) return;
    batch.isChanged = true;
    this.changed.push(batch);
  }

  private forget({ number, hasStates }: Batch): void {
    this.journal.remove('batches', number);
    if (hasStates) this.journal.remove('states', number);
    this.written[number - this.firstNumber] = undefined;
    while (this.written.length > 0 && this.written[0] === undefined) {
      this.written.shift();
      this.firstNumber++;
    }
  }

  private batchOf(place: number): Batch | undefined {
    const number = Math.floor((-place - 1) / mostInBatch);
    return number === this.open?.number ? this.open : this.written[number - this.firstNumber];
  }
}

/** A message of a batch that is in the file still. */
export interface Young {
  readonly session: Session;
  readonly delivery: Delivery;
  readonly sequence: number;
  readonly place: number;
  readonly isReleased: boolean;
}

/**
 * What of a batch was not gone when the broker ended.
 * @param states absent when nothing of it had changed
 * @throws MqttError where the bytes are no batch
 */
export function* readBatch(bytes: Buffer, states: Buffer | undefined): Generator<StoredEntry, void> {
  const reader = new ByteReader().over(bytes, 0, bytes.length);
  let delivery = bytes.subarray(0, 0);
  for (let index = 0; reader.remaining > 0; index++) {
    const number = reader.uint32();
    const sequence = reader.bytesOf(6).readUIntBE(0, 6);
    if (reader.byte() === itself) delivery = reader.bytesOf(reader.uint32());
    const state = states?.[index] ?? State.Waiting;
    if (state !== State.Gone) yield { number, sequence, isReleased: state === State.HandedOver, delivery };
  }
}

class Batch {
  readonly sessions: (Session | undefined)[] = [];
  readonly deliveries: (Delivery | undefined)[] = [];
  readonly sequences: number[] = [];
  readonly states: number[] = [];
  live = 0;
  isChanged = false;
  hasStates = false;

  constructor(
    readonly number: number,
    readonly writtenAt: number,
  ) {}

  get count(): number {
    return this.states.length;
  }

  /** @returns its index */
  add(session: Session, delivery: Delivery, sequence: number): number {
    this.sessions.push(session);
    this.deliveries.push(delivery);
    this.sequences.push(sequence);
    this.live++;
    return this.states.push(State.Waiting) - 1;
  }

  remove(index: number): void {
    this.states[index] = State.Gone;
    this.sessions[index] = this.deliveries[index] = undefined;
    this.live--;
  }
}

/** Of a message in a batch, a byte in the file. */
const State = { Waiting: 0, HandedOver: 1, Gone: 2 } as const;

/** Whether the delivery of an entry is that of the one before. */
const likeBefore = 0;
const itself = 1;

/** Bytes. */
const largestBatch = 1_048_576;
/** Messages: an entry takes eleven bytes and more. As few as that, so that places stay exact for 2 ** 36 batches. */
const mostInBatch = 2 ** 17;

const placeOf = ({ number }: Batch, index: number): number => -(number * mostInBatch + index + 1);
const indexOf = (place: number): number => (-place - 1) % mostInBatch;
