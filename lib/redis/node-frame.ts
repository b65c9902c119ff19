import type { Message } from '../broker/message.js';
import { ByteReader } from '../protocol/byte-reader.js';
import { ByteWriter } from '../protocol/byte-writer.js';
import { readMessage } from '../records/message-record.js';
import { parseShare } from '../topics/topic-names.js';

/**
 * What nodes say to each other, in the data types of MQTT: a version byte, a kind byte, the sender's name, and then
 * messages one behind the other, or entries of stored queues, or one claim. A frame of another version, or that does not decode to its last byte, is
 * refused as a whole.
 *
 * A message is: whom it is for (`$share/group/filter`, `=` and a client id, or nothing), flags, topic, publisher's client id, what names it where it may be
 * routed again, properties, payload. An entry is: client id, sequence number, the record as it stands in the queue.
 */
export const frameVersion = 1;

const kinds = { messages: 1, claim: 2, queued: 3 } as const;

/** A message for every subscriber of a node, for one member of a group there, or for one client. */
export interface FramedMessage {
  /** `$share/group/filter`; empty for all but groups. */
  readonly share: string;
  /** The one client that shall get it. */
  readonly clientId?: string | undefined;
  readonly message: Message;
}

/** An entry of a stored queue, told to the node that has its client. */
export interface FramedEntry {
  readonly clientId: string;
  readonly sequence: number;
  readonly record: Buffer;
}

export type NodeFrame =
  | { readonly kind: 'messages'; readonly node: string; readonly messages: readonly FramedMessage[] }
  | { readonly kind: 'queued'; readonly node: string; readonly entries: readonly FramedEntry[] }
  | { readonly kind: 'claim'; readonly node: string; readonly clientId: string; readonly generation: number };

/** One writer for all: encoding is synchronous and `body()` copies out. */
const writer = new ByteWriter();

/** What stands before the messages of a frame. */
export const messagesHeader = (node: string): Buffer =>
  writer.begin().byte(frameVersion).byte(kinds.messages).string(node).body();

/** What stands before the entries of a frame. */
export const queuedHeader = (node: string): Buffer =>
  writer.begin().byte(frameVersion).byte(kinds.queued).string(node).body();

export const encodeEntry = ({ clientId, sequence, record }: FramedEntry): Buffer =>
  writer
    .begin()
    .string(clientId)
    .uint32(Math.floor(sequence / 2 ** 32))
    .uint32(sequence % 2 ** 32)
    .uint32(record.length)
    .raw(record)
    .body();

/** What stands before the generation, which follows in decimal. */
export const claimHeader = (node: string, clientId: string): Buffer =>
  writer.begin().byte(frameVersion).byte(kinds.claim).string(node).string(clientId).body();

export const encodeShare = (share: string): Buffer => writer.begin().string(share).body();

/** Stands in place of the group where a message is for one client. */
export const encodeAddressee = (clientId: string): Buffer => writer.begin().string(`=${clientId}`).body();

/** @throws Error where the bytes are not a frame of this version */
export function decodeFrame(bytes: Buffer, now: number): NodeFrame {
  const reader = new ByteReader().over(bytes, 0, bytes.length);
  const version = reader.byte();
  if (version !== frameVersion) throw new Error(`a frame of version ${version}`);
  const kind = reader.byte();
  const node = reader.string();
  if (kind === kinds.claim) {
    const clientId = reader.string();
    const generation = Number(reader.rest().toString('latin1'));
    if (!Number.isSafeInteger(generation) || generation < 1) throw new Error('a claim without a generation');
    return { kind: 'claim', node, clientId, generation };
  }
  if (kind === kinds.queued) return { kind: 'queued', node, entries: readEntries(reader) };
  if (kind !== kinds.messages) throw new Error(`a frame of kind ${kind}`);
  const messages: FramedMessage[] = [];
  while (reader.remaining > 0) {
    const to = reader.string();
    const clientId = to.startsWith('=') ? to.slice(1) : undefined;
    const share = clientId === undefined ? to : '';
    if (share !== '' && !parseShare(share)) throw new Error('a group that is none');
    messages.push({ share, clientId, message: readMessage(reader, node, now) });
  }
  return { kind: 'messages', node, messages };
}

function readEntries(reader: ByteReader): FramedEntry[] {
  const entries: FramedEntry[] = [];
  while (reader.remaining > 0) {
    const clientId = reader.string();
    const sequence = reader.uint32() * 2 ** 32 + reader.uint32();
    if (!Number.isSafeInteger(sequence)) throw new Error('a number that no queue comes to');
    entries.push({ clientId, sequence, record: reader.bytesOf(reader.uint32()) });
  }
  return entries;
}
