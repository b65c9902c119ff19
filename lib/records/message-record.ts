import type { Client } from '../broker/client.js';
import { keptBytes } from '../protocol/kept-bytes.js';
import { Message } from '../broker/message.js';
import { ByteReader } from '../protocol/byte-reader.js';
import { ByteWriter } from '../protocol/byte-writer.js';
import { PacketType, type QoS } from '../protocol/packets.js';
import { ownProperties, readProperties, writeProperties } from '../protocol/properties.js';
import { isTopicName } from '../topics/topic-names.js';

/**
 * A message as bytes, in the data types of MQTT: flags, topic, publisher's client id, what names it where it may be routed
 * again, properties, payload.
 */
const qosBits = 3;
const retainBit = 4;
const publisherBit = 8;
const publishIdBit = 16;

/** One writer for all: encoding is synchronous and `body()` copies out. */
const writer = new ByteWriter();

/** @param now milliseconds since the epoch; an expiry interval goes on with what is left of it */
export const encodeMessage = (message: Message, now: number): Buffer =>
  writeMessage(writer.begin(), message, now).body();

/** The same behind what was written before. */
export function writeMessage(to: ByteWriter, message: Message, now: number): ByteWriter {
  const { topic, qos, retain, properties, publisher, publishId, payload, expiresAt } = message;
  const named = publishId === undefined ? 0 : publishIdBit;
  to.byte(qos | (retain ? retainBit : 0) | (publisher ? publisherBit : 0) | named);
  to.string(topic);
  if (publisher) to.string(publisher.clientId);
  if (publishId !== undefined) to.string(publishId);
  const left = Math.max(0, Math.ceil((expiresAt - now) / 1000));
  writeProperties(to, expiresAt === Infinity ? properties : { ...properties, messageExpiryInterval: left });
  return to.uint32(payload.length).raw(payload);
}

/** The message in `bytes`, and nothing else. */
export function decodeMessage(bytes: Buffer, node: string, now: number): Message {
  const reader = new ByteReader().over(bytes, 0, bytes.length);
  const message = readMessage(reader, node, now);
  if (reader.remaining > 0) throw new Error('bytes behind a message');
  return message;
}

/** @throws Error where there is none */
export function readMessage(reader: ByteReader, node: string, now: number): Message {
  const flags = reader.byte();
  const qos = flags & qosBits;
  if (qos > 2 || flags > (publishIdBit | retainBit | publisherBit | 2)) throw new Error(`message flags ${flags}`);
  const topic = reader.string();
  if (!isTopicName(topic)) throw new Error('a topic that is none');
  const publisher = (flags & publisherBit) === 0 ? undefined : publisherOn(node, reader.string(), now);
  const publishId = (flags & publishIdBit) === 0 ? undefined : reader.string();
  // Copies: a view would keep the whole chunk that Redis sent.
  const properties = ownProperties(readProperties(reader, PacketType.PUBLISH));
  const payload = keptBytes(reader.bytesOf(reader.uint32()));
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
