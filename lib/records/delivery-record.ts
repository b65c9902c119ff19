import type { Client } from '../broker/client.js';
import { Delivery } from '../broker/delivery.js';
import { keptBytes } from '../protocol/kept-bytes.js';
import type { SharedSubscription } from '../broker/shared-subscription.js';
import { ByteReader } from '../protocol/byte-reader.js';
import { ByteWriter } from '../protocol/byte-writer.js';
import type { QoS, WillFields } from '../protocol/packets.js';
import { ownProperties, readProperties, WILL, writeProperties } from '../protocol/properties.js';
import { decodeMessage, writeMessage } from './message-record.js';

/**
 * What stands in a store of sessions, in the data types of MQTT, behind a version byte.
 *
 * An entry of a queue is: flags, Subscription Identifiers, `$share/group/filter` or nothing, when it was written, message.
 * A will is: flags, topic, payload, properties, and who its client was, as JSON.
 */
const recordVersion = 1;

const qosBits = 3;
const retainBit = 4;
/** Of a client with so many filters for one message that two bytes do not count them. */
const manyIdentifiersBit = 8;

const writer = new ByteWriter();

/** @param now milliseconds since the epoch: what is left of an expiry interval counts from there */
export const encodeDelivery = (delivery: Delivery, now: number): Buffer =>
  writeDelivery(writer.begin(), delivery, now).body();

/** The same behind what was written before. */
export function writeDelivery(to: ByteWriter, delivery: Delivery, now: number): ByteWriter {
  const { message, qos, retain, identifiers, share } = delivery;
  const count = identifiers?.length ?? 0;
  const hasMany = count > 0xffff;
  to.byte(recordVersion).byte(qos | (retain ? retainBit : 0) | (hasMany ? manyIdentifiersBit : 0));
  if (hasMany) to.uint32(count);
  else to.uint16(count);
  for (const identifier of identifiers ?? []) to.uint32(identifier);
  to.string(share?.name ?? '').double(now);
  return writeMessage(to, message, now);
}

/**
 * @param groupOf finds the group that a message was for, where it still has members
 * @throws Error where the bytes are not an entry of this version
 */
export function decodeDelivery(
  record: Buffer,
  now: number,
  groupOf: (name: string) => SharedSubscription | undefined,
): Delivery {
  const reader = open(record);
  const flags = reader.byte();
  const qos = flags & qosBits;
  if ((qos !== 1 && qos !== 2) || flags > (manyIdentifiersBit | retainBit | qosBits)) {
    throw new Error(`flags ${flags} of a queue's entry`);
  }
  const identifiers = Array.from({ length: identifierCount(reader, flags) }, () => reader.uint32());
  const share = reader.string();
  const writtenAt = reader.bytesOf(8).readDoubleBE();
  // Not later than now, whatever the clock of the writer says.
  const message = decodeMessage(reader.rest(), 'a store', Math.min(writtenAt, now));
  const retain = (flags & retainBit) !== 0;
  const group = share === '' ? undefined : groupOf(share);
  return new Delivery(message, qos, retain, identifiers.length === 0 ? undefined : identifiers, group);
}

/** The group that an entry is for: none where it is for nobody's sake but its client's, or cannot be read. */
export function shareOf(record: Buffer): { readonly share: string; readonly qos: number } {
  try {
    const reader = open(record);
    const flags = reader.byte();
    reader.bytesOf(identifierCount(reader, flags) * 4);
    return { share: reader.string(), qos: flags & qosBits };
  } catch {
    return { share: '', qos: 0 };
  }
}

const identifierCount = (reader: ByteReader, flags: number): number =>
  (flags & manyIdentifiersBit) === 0 ? reader.uint16() : reader.uint32();

export function encodeWill({ topic, payload, qos, retain, properties }: WillFields, client: Client): Buffer {
  writer
    .begin()
    .byte(recordVersion)
    .byte(qos | (retain ? retainBit : 0))
    .string(topic);
  writer.uint32(payload.length).raw(payload);
  writeProperties(writer, properties);
  return writer.raw(Buffer.from(JSON.stringify(client))).body();
}

/** @throws Error where the bytes are not a will of this version */
export function decodeWill(record: Buffer): { readonly fields: WillFields; readonly client: Client } {
  const reader = open(record);
  const flags = reader.byte();
  const topic = reader.string();
  const payload = keptBytes(reader.bytesOf(reader.uint32()));
  const properties = ownProperties(readProperties(reader, WILL));
  const client = JSON.parse(reader.rest().toString()) as Client;
  const fields = { topic, payload, qos: (flags & qosBits) as QoS, retain: (flags & retainBit) !== 0, properties };
  return { fields, client: { ...client, connectedAt: new Date(client.connectedAt) } };
}

function open(record: Buffer): ByteReader {
  const reader = new ByteReader().over(record, 0, record.length);
  const version = reader.byte();
  if (version !== recordVersion) throw new Error(`a record of version ${version}`);
  return reader;
}
