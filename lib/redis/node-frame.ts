import type { Client } from '../broker/client.js';
import { Message } from '../broker/message.js';
import { ByteReader } from '../protocol/byte-reader.js';
import { ByteWriter } from '../protocol/byte-writer.js';
import { PacketType, type QoS } from '../protocol/packets.js';
import { readProperties, writeProperties } from '../protocol/properties.js';
import { isTopicName, parseShare } from '../topics/topic-names.js';

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
const qosBits = 3;
const retainBit = 4;
const publisherBit = 8;
const publishIdBit = 16;

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

/** @param now milliseconds since the epoch; an expiry interval goes on with what is left of it */
export function encodeMessage(message: Message, now: number): Buffer {
  const { topic, qos, retain, properties, publisher, publishId, payload, expiresAt } = message;
  const named = publishId === undefined ? 0 : publishIdBit;
  writer.begin().byte(qos | (retain ? retainBit : 0) | (publisher ? publisherBit : 0) | named);
  writer.string(topic);
  if (publisher) writer.string(publisher.clientId);
  if (publishId !== undefined) writer.string(publishId);
  const left = Math.max(0, Math.ceil((expiresAt - now) / 1000));
  writeProperties(writer, expiresAt === Infinity ? properties : { ...properties, messageExpiryInterval: left });
  return writer.uint32(payload.length).raw(payload).body();
}

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

/** The message in `bytes`, and nothing else. */
export function decodeMessage(bytes: Buffer, node: string, now: number): Message {
  const reader = new ByteReader().over(bytes, 0, bytes.length);
  const message = readMessage(reader, node, now);
  if (reader.remaining > 0) throw new Error('bytes behind a message');
  return message;
}

function readMessage(reader: ByteReader, node: string, now: number): Message {
  const flags = reader.byte();
  const qos = flags & qosBits;
  if (qos > 2 || flags > (publishIdBit | retainBit | publisherBit | 2)) throw new Error(`message flags ${flags}`);
  const topic = reader.string();
  if (!isTopicName(topic)) throw new Error('a topic that is none');
  const publisher = (flags & publisherBit) === 0 ? undefined : publisherOn(node, reader.string(), now);
  const publishId = (flags & publishIdBit) === 0 ? undefined : reader.string();
  const read = readProperties(reader, PacketType.PUBLISH);
  // Copies: a view would keep the whole chunk that Redis sent.
  const properties = read?.correlationData ? { ...read, correlationData: Buffer.from(read.correlationData) } : read;
  const payload = Buffer.from(reader.bytesOf(reader.uint32()));
  const retain = (flags & retainBit) !== 0;
  const message = Message.of({ topic, payload, qos: qos as QoS, retain, properties, publisher, fromNode: node }, now);
  message.publishId = publishId;
  return message;
}

/** A client of another node, of which only the id matters here: No Local, and strategies that look at it. */
const publisherOn = (node: string, clientId: string, now: number): Client => ({
  listener: `node ${node}`,
  tls: false,
  clientId,
  protocolVersion: 5,
  cleanStart: true,
  keepAlive: 0,
  connectedAt: new Date(now),
});
