import { createHash } from 'node:crypto';
import type { Delivery } from '../broker/delivery.js';
import { ByteWriter } from '../protocol/byte-writer.js';
import { writeDelivery } from '../records/delivery-record.js';
import type { Subscription } from '../topics/subscription.js';

/** Keys of any length that a client gives: as they are where they fit, else by their hash. LMDB takes 1,978 bytes. */
export function keyOf(text: string, prefix: Buffer = Buffer.alloc(0)): Buffer {
  const bytes = Buffer.from(text);
  const isLong = bytes.length > longestKey;
  const tail = isLong ? createHash('sha256').update(bytes).digest() : bytes;
  return Buffer.concat([prefix, Buffer.from([isLong ? 1 : 0]), tail]);
}

const longestKey = 512;

/** A session by its number, under which everything of it stands. */
export function numberKey(number: number, rest?: number): Buffer {
  const key = Buffer.allocUnsafe(rest === undefined ? 4 : 6);
  key.writeUInt32BE(number);
  if (rest !== undefined) key.writeUInt16BE(rest, 4);
  return key;
}

/** The place of a message among all that were ever queued. */
export const placeKey = (place: number): Buffer => writePlace(Buffer.allocUnsafe(6), place);

export function writePlace(key: Buffer, place: number): Buffer {
  key.writeUIntBE(place, 0, 6);
  return key;
}

export const placeOf = (key: Uint8Array): number => Buffer.from(key).readUIntBE(0, 6);

export interface SessionRecord {
  readonly number: number;
  readonly clientId: string;
  /** Seconds; 0xFFFFFFFF is for ever. */
  readonly expiryInterval: number;
  /** Milliseconds since the epoch; undefined while its client is connected. */
  readonly disconnectedAt?: number | undefined;
  /** Sequence number behind the last message that was sent; undefined while its client is connected. */
  readonly sentTo?: number | undefined;
  /** While its client is connected, the Receive Maximum towards it. */
  readonly receiveMaximum?: number | undefined;
  /** Its connection ended with the broker's stop: its will is due when the session ends. */
  readonly isLeftByStop?: boolean | undefined;
}

export const encodeSession = (record: SessionRecord): Buffer => Buffer.from(JSON.stringify(record));
export const decodeSession = (bytes: Buffer): SessionRecord => JSON.parse(bytes.toString()) as SessionRecord;

/** @param filter as the client wrote it, `$share/group/` included */
export const encodeSubscription = (filter: string, subscription: Subscription): Buffer =>
  Buffer.from(JSON.stringify([filter, subscription]));
export const decodeSubscription = (bytes: Buffer): [filter: string, subscription: Subscription] =>
  JSON.parse(bytes.toString()) as [string, Subscription];

/** Of an entry of a queue: session, sequence number, whether PUBREC came. Behind it stands the delivery. */
export interface EntryHeader {
  readonly number: number;
  readonly sequence: number;
  readonly isReleased: boolean;
}

/** An entry as it stands in the file. */
export interface StoredEntry extends EntryHeader {
  /** A view. */
  readonly delivery: Buffer;
}

/** @param now milliseconds since the epoch */
export const encodeEntry = (header: EntryHeader, delivery: Delivery, now: number): Buffer =>
  writeDelivery(beginEntry(header), delivery, now).body();

/** The inverse of `decodeEntry`. */
export const joinEntry = ({ delivery, ...header }: StoredEntry): Buffer => beginEntry(header).raw(delivery).body();

const beginEntry = ({ number, sequence, isReleased }: EntryHeader): ByteWriter =>
  writer
    .begin()
    .uint32(number)
    .uint48(sequence)
    .byte(isReleased ? 1 : 0);

/** One writer for all: encoding is synchronous and `body()` copies out. */
const writer = new ByteWriter();

export const decodeEntry = (bytes: Buffer): StoredEntry => ({
  number: bytes.readUInt32BE(0),
  sequence: bytes.readUIntBE(4, 6),
  isReleased: bytes[10] === 1,
  delivery: bytes.subarray(entryHeader),
});

const entryHeader = 11;
