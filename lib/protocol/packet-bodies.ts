import type { ByteReader } from './byte-reader.js';
import { MqttError, malformed, zeroPacketId } from './mqtt-error.js';
import {
  PacketType,
  packetName,
  type AcknowledgePacket,
  type Packet,
  type ProtocolVersion,
  type QoS,
  type SubscriptionRequest,
} from './packets.js';
import { readProperties, type Properties } from './properties.js';
import { ReasonCode, legalReasonCodes } from './reason-codes.js';

/** Every packet but CONNECT and PUBLISH; `reader` stands behind the fixed header. */
export function decodeBody(type: number, reader: ByteReader, version: ProtocolVersion): Packet {
  switch (type) {
    case PacketType.CONNACK:
      return decodeConnack(reader, version);
    case PacketType.PUBACK:
    case PacketType.PUBREC:
    case PacketType.PUBREL:
    case PacketType.PUBCOMP:
      return decodeAcknowledge(type, reader, version);
    case PacketType.SUBSCRIBE:
      return decodeSubscribe(reader, version);
    case PacketType.SUBACK:
    case PacketType.UNSUBACK:
      return decodeSuback(type, reader, version);
    case PacketType.UNSUBSCRIBE:
      return decodeUnsubscribe(reader, version);
    case PacketType.DISCONNECT:
    case PacketType.AUTH:
      return { type, ...decodeReason(reader, version, type) };
    default:
      return { type: type as 12 | 13 };
  }
}

function decodeConnack(reader: ByteReader, version: ProtocolVersion): Packet {
  const flags = reader.byte();
  if (flags > 1) throw malformed('reserved flags are set in CONNACK', '3.2.2-1');
  const reasonCode = reader.byte();
  const properties = version === 5 ? readProperties(reader, PacketType.CONNACK) : undefined;
  return { type: PacketType.CONNACK, sessionPresent: flags === 1, reasonCode, properties };
}

/** An acknowledgement that is only a packet identifier, as most are: one of these comes for each message. */
export function decodePlainAcknowledgement(type: AcknowledgePacket['type'], bytes: Buffer, body: number): Packet {
  const packetId = (bytes[body] << 8) | bytes[body + 1];
  if (packetId === 0) throw zeroPacketId(packetName(type));
  return { type, packetId, reasonCode: 0, properties: undefined };
}

function decodeAcknowledge(type: AcknowledgePacket['type'], reader: ByteReader, version: ProtocolVersion): Packet {
  const packetId = readPacketId(reader, type);
  return { type, packetId, ...decodeReason(reader, version, type) };
}

/** The Reason Code and properties at the end of a packet, both of which MQTT 5 lets a sender leave out. */
function decodeReason(
  reader: ByteReader,
  version: ProtocolVersion,
  type: number,
): { reasonCode: number; properties: Properties | undefined } {
  if (version !== 5 || reader.remaining === 0) return { reasonCode: 0, properties: undefined };
  const reasonCode = reader.byte();
  if (!legalReasonCodes[type].has(reasonCode)) {
    throw new MqttError(
      ReasonCode.ProtocolError,
      `${packetName(type)} may not carry the reason code 0x${reasonCode.toString(16)}`,
    );
  }
  return { reasonCode, properties: reader.remaining === 0 ? undefined : readProperties(reader, type) };
}

function decodeSubscribe(reader: ByteReader, version: ProtocolVersion): Packet {
  const packetId = readPacketId(reader, PacketType.SUBSCRIBE);
  const properties = version === 5 ? readProperties(reader, PacketType.SUBSCRIBE) : undefined;
  const subscriptions: SubscriptionRequest[] = [];
  while (reader.remaining > 0) {
    if (subscriptions.length === maximumFilters) throw tooManyFilters();
    subscriptions.push(decodeSubscriptionRequest(reader, version));
  }
  if (subscriptions.length === 0) {
    throw new MqttError(ReasonCode.ProtocolError, 'a SUBSCRIBE has no topic filter', 'MQTT-3.8.3-2');
  }
  return { type: PacketType.SUBSCRIBE, packetId, subscriptions, properties };
}

function decodeSubscriptionRequest(reader: ByteReader, version: ProtocolVersion): SubscriptionRequest {
  const filter = reader.string();
  const options = reader.byte();
  // [MQTT-3.8.3-5]
  if ((options & (version === 5 ? 0xc0 : 0xfc)) !== 0)
    throw malformed('reserved subscription options are set', '3.8.3-5');
  const qos = options & 3;
  const retainHandling = (options >> 4) & 3;
  if (qos === 3) throw new MqttError(ReasonCode.ProtocolError, 'a subscription has QoS 3', 'MQTT-3.8.3-5');
  if (retainHandling === 3) throw new MqttError(ReasonCode.ProtocolError, 'a subscription has retain handling 3');
  return {
    filter,
    qos: qos as QoS,
    noLocal: (options & 0x04) !== 0,
    retainAsPublished: (options & 0x08) !== 0,
    retainHandling: retainHandling as 0 | 1 | 2,
  };
}

function decodeSuback(type: 9 | 11, reader: ByteReader, version: ProtocolVersion): Packet {
  const packetId = readPacketId(reader, type);
  const properties = version === 5 ? readProperties(reader, type) : undefined;
  // 3.1 and 3.1.1: an UNSUBACK has no payload.
  const reasonCodes = type === PacketType.UNSUBACK && version !== 5 ? [] : [...reader.rest()];
  return { type, packetId, reasonCodes, properties };
}

function decodeUnsubscribe(reader: ByteReader, version: ProtocolVersion): Packet {
  const packetId = readPacketId(reader, PacketType.UNSUBSCRIBE);
  const properties = version === 5 ? readProperties(reader, PacketType.UNSUBSCRIBE) : undefined;
  const filters: string[] = [];
  while (reader.remaining > 0) {
    if (filters.length === maximumFilters) throw tooManyFilters();
    filters.push(reader.string());
  }
  if (filters.length === 0) {
    throw new MqttError(ReasonCode.ProtocolError, 'an UNSUBSCRIBE has no topic filter', 'MQTT-3.10.3-2');
  }
  return { type: PacketType.UNSUBSCRIBE, packetId, filters, properties };
}

function readPacketId(reader: ByteReader, type: number): number {
  const packetId = reader.uint16();
  // [MQTT-2.2.1-3]
  if (packetId === 0) throw zeroPacketId(packetName(type));
  return packetId;
}

/** Topic filters that one SUBSCRIBE or UNSUBSCRIBE may have: a packet is handled in one go, and must not take long. */
const maximumFilters = 4096;

const tooManyFilters = () =>
  new MqttError(ReasonCode.QuotaExceeded, `a packet has more than ${maximumFilters} topic filters`);
