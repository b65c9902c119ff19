import type { ByteReader } from './byte-reader.js';
import type { ByteWriter } from './byte-writer.js';
import { keptBytes } from './kept-bytes.js';
import { MqttError } from './mqtt-error.js';
import { PacketType, packetName } from './packets.js';
import { ReasonCode } from './reason-codes.js';

/** Where a property may stand: a packet type, or `WILL` for the Will Properties inside a CONNECT. */
export const WILL = 0;

/** The 27 properties of MQTT 5 (2.2.2.2) by name. An absent property is an absent key. */
export interface Properties {
  /** 1: the payload is UTF-8; 0: unspecified bytes. */
  readonly payloadFormatIndicator?: number;
  /** Seconds. */
  readonly messageExpiryInterval?: number;
  /** MIME type. */
  readonly contentType?: string;
  readonly responseTopic?: string;
  readonly correlationData?: Buffer;
  /** 1 to 268,435,455; one in SUBSCRIBE, any number in PUBLISH. */
  readonly subscriptionIdentifiers?: readonly number[];
  /** Seconds; 0xFFFFFFFF never expires. */
  readonly sessionExpiryInterval?: number;
  readonly assignedClientIdentifier?: string;
  /** Seconds. */
  readonly serverKeepAlive?: number;
  readonly authenticationMethod?: string;
  readonly authenticationData?: Buffer;
  readonly requestProblemInformation?: boolean;
  /** Seconds. */
  readonly willDelayInterval?: number;
  readonly requestResponseInformation?: boolean;
  readonly responseInformation?: string;
  readonly serverReference?: string;
  readonly reasonString?: string;
  /** Packets in flight, 1-65535. */
  readonly receiveMaximum?: number;
  readonly topicAliasMaximum?: number;
  /** 1-65535. */
  readonly topicAlias?: number;
  /** 0 or 1; absent means 2. */
  readonly maximumQoS?: number;
  readonly retainAvailable?: boolean;
  /** Name and value pairs in the order of the wire; names may repeat. */
  readonly userProperties?: readonly (readonly [name: string, value: string])[];
  /** Bytes, fixed header included. */
  readonly maximumPacketSize?: number;
  readonly wildcardSubscriptionAvailable?: boolean;
  readonly subscriptionIdentifiersAvailable?: boolean;
  readonly sharedSubscriptionAvailable?: boolean;
}

type PropertyName = keyof Properties;
/** `bit` is a byte that is 0 or 1, `flag` the same read as a boolean, `positive*` are integers that may not be 0. */
type PropertyType =
  'bit' | 'flag' | 'uint16' | 'positive16' | 'uint32' | 'positive32' | 'identifiers' | 'string' | 'binary' | 'pairs';

interface PropertyRow {
  readonly id: number;
  readonly name: PropertyName;
  readonly type: PropertyType;
  /** Bit n is set when packet type n may carry it; bit 0 is the will. */
  readonly allowedIn: number;
}

const row = (id: number, name: PropertyName, type: PropertyType, ...packets: number[]): PropertyRow => ({
  id,
  name,
  type,
  allowedIn: packets.reduce((mask, packet) => mask | (1 << packet), 0),
});

const { CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;
const { SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, DISCONNECT, AUTH } = PacketType;
const acknowledgements = [PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK];
const everyPacket = [CONNECT, CONNACK, PUBLISH, ...acknowledgements, SUBSCRIBE, UNSUBSCRIBE, DISCONNECT, AUTH];

/** MQTT 5, table 2-4, row by row. */
const rows: readonly PropertyRow[] = [
  row(0x01, 'payloadFormatIndicator', 'bit', PUBLISH, WILL),
  row(0x02, 'messageExpiryInterval', 'uint32', PUBLISH, WILL),
  row(0x03, 'contentType', 'string', PUBLISH, WILL),
  row(0x08, 'responseTopic', 'string', PUBLISH, WILL),
  row(0x09, 'correlationData', 'binary', PUBLISH, WILL),
  row(0x0b, 'subscriptionIdentifiers', 'identifiers', PUBLISH, SUBSCRIBE),
  row(0x11, 'sessionExpiryInterval', 'uint32', CONNECT, CONNACK, DISCONNECT),
  row(0x12, 'assignedClientIdentifier', 'string', CONNACK),
  row(0x13, 'serverKeepAlive', 'uint16', CONNACK),
  row(0x15, 'authenticationMethod', 'string', CONNECT, CONNACK, AUTH),
  row(0x16, 'authenticationData', 'binary', CONNECT, CONNACK, AUTH),
  row(0x17, 'requestProblemInformation', 'flag', CONNECT),
  row(0x18, 'willDelayInterval', 'uint32', WILL),
  row(0x19, 'requestResponseInformation', 'flag', CONNECT),
  row(0x1a, 'responseInformation', 'string', CONNACK),
  row(0x1c, 'serverReference', 'string', CONNACK, DISCONNECT),
  row(0x1f, 'reasonString', 'string', CONNACK, ...acknowledgements, DISCONNECT, AUTH),
  row(0x21, 'receiveMaximum', 'positive16', CONNECT, CONNACK),
  row(0x22, 'topicAliasMaximum', 'uint16', CONNECT, CONNACK),
  row(0x23, 'topicAlias', 'uint16', PUBLISH),
  row(0x24, 'maximumQoS', 'bit', CONNACK),
  row(0x25, 'retainAvailable', 'flag', CONNACK),
  row(0x26, 'userProperties', 'pairs', ...everyPacket, WILL),
  row(0x27, 'maximumPacketSize', 'positive32', CONNECT, CONNACK),
  row(0x28, 'wildcardSubscriptionAvailable', 'flag', CONNACK),
  row(0x29, 'subscriptionIdentifiersAvailable', 'flag', CONNACK),
  row(0x2a, 'sharedSubscriptionAvailable', 'flag', CONNACK),
];

const rowById: readonly (PropertyRow | undefined)[] = Array.from({ length: 0x2b }, (_, id) =>
  rows.find((candidate) => candidate.id === id),
);

/** Every property with where it may stand, for tables and generators. */
export const propertyTable = rows;

/**
 * Reads the Property Length and the properties behind it.
 *
 * @param packet packet type, or `WILL`
 * @returns undefined when there are none
 * @throws MqttError MalformedPacket | ProtocolError
 */
export function readProperties(reader: ByteReader, packet: number): Properties | undefined {
  const length = reader.variableByteInteger();
  if (length === 0) return undefined;
  const packetEnd = reader.end;
  if (length > reader.remaining) {
    throw new MqttError(ReasonCode.MalformedPacket, 'the properties reach beyond the end of the packet');
  }
  reader.end = reader.position + length;
  const properties: Record<string, unknown> = {};
  while (reader.remaining > 0) readProperty(reader, packet, properties);
  reader.end = packetEnd;
  return checkResponseTopic(properties);
}

/** Those of a message with bytes of their own: what was read is a view, and what the application gave may be changed by it. */
export const ownProperties = (properties: Properties | undefined): Properties | undefined =>
  properties?.correlationData ? { ...properties, correlationData: keptBytes(properties.correlationData) } : properties;

function checkResponseTopic(properties: Properties): Properties {
  const { responseTopic } = properties;
  // [MQTT-3.3.2-14]
  if (responseTopic !== undefined && (responseTopic.includes('+') || responseTopic.includes('#'))) {
    throw new MqttError(ReasonCode.ProtocolError, 'a response topic holds a wildcard', 'MQTT-3.3.2-14');
  }
  return properties;
}

function readProperty(reader: ByteReader, packet: number, properties: Record<string, unknown>): void {
  const id = reader.variableByteInteger();
  const property = rowById[id];
  if (!property) throw new MqttError(ReasonCode.MalformedPacket, `property 0x${id.toString(16)} does not exist`);
  const { name } = property;
  if ((property.allowedIn & (1 << packet)) === 0) {
    throw new MqttError(ReasonCode.ProtocolError, `property ${name} may not stand in ${placeName(packet)}`);
  }
  const before = properties[name];
  if (before === undefined) {
    properties[name] = readFirst(reader, property);
  } else if (property.type === 'pairs') {
    if ((before as unknown[]).length === maximumUserProperties) {
      throw new MqttError(ReasonCode.QuotaExceeded, `there are more than ${maximumUserProperties} user properties`);
    }
    (before as unknown[]).push([reader.string(), reader.string()]);
  } else if (property.type === 'identifiers' && packet === PUBLISH) {
    (before as number[]).push(readIdentifier(reader));
  } else {
    throw new MqttError(ReasonCode.ProtocolError, `property ${name} stands twice in ${placeName(packet)}`);
  }
}

/** A pair of empty strings is five bytes on the wire and a hundred in memory. */
const maximumUserProperties = 16_384;

function readFirst(reader: ByteReader, property: PropertyRow): unknown {
  switch (property.type) {
    case 'bit':
      return readBit(reader, property.name);
    case 'flag':
      return readBit(reader, property.name) === 1;
    case 'uint16':
      return reader.uint16();
    case 'positive16':
      return positive(reader.uint16(), property.name);
    case 'uint32':
      return reader.uint32();
    case 'positive32':
      return positive(reader.uint32(), property.name);
    case 'identifiers':
      return [readIdentifier(reader)];
    case 'string':
      return reader.string();
    case 'binary':
      return reader.binary();
    case 'pairs':
      return [[reader.string(), reader.string()]];
  }
}

function readBit(reader: ByteReader, name: string): number {
  const value = reader.byte();
  if (value > 1) throw new MqttError(ReasonCode.ProtocolError, `property ${name} is ${value}, it can be 0 or 1`);
  return value;
}

const readIdentifier = (reader: ByteReader) => positive(reader.variableByteInteger(), 'subscriptionIdentifier');

function positive(value: number, name: string): number {
  if (value === 0) throw new MqttError(ReasonCode.ProtocolError, `property ${name} may not be 0`);
  return value;
}

const placeName = (packet: number) => (packet === WILL ? 'the will' : packetName(packet));

/**
 * Writes the Property Length and the properties, in the order of the table.
 *
 * Values are not checked here: what the broker sends it has made or validated itself.
 */
export function writeProperties(writer: ByteWriter, properties: Properties | undefined): void {
  if (properties === undefined) {
    // [MQTT-2.2.2-1] no properties: a length of 0
    writer.byte(0);
    return;
  }
  const start = writer.position;
  for (const property of rows) {
    const value = properties[property.name];
    if (value !== undefined) writeProperty(writer, property, value);
  }
  writer.insertVariableByteInteger(start, writer.position - start);
}

function writeProperty(writer: ByteWriter, { id, type }: PropertyRow, value: unknown): void {
  switch (type) {
    case 'bit':
    case 'flag':
      writer.byte(id).byte(Number(value));
      return;
    case 'uint16':
    case 'positive16':
      writer.byte(id).uint16(value as number);
      return;
    case 'uint32':
    case 'positive32':
      writer.byte(id).uint32(value as number);
      return;
    case 'identifiers':
      for (const identifier of value as number[]) writer.byte(id).variableByteInteger(identifier);
      return;
    case 'string':
      writer.byte(id).string(value as string);
      return;
    case 'binary':
      writer.byte(id).binary(value as Buffer);
      return;
    case 'pairs':
      for (const [name, text] of value as [string, string][]) writer.byte(id).string(name).string(text);
      return;
  }
}
