import { ByteWriter } from './byte-writer.js';
import {
  PacketType,
  prescribedFlags,
  type AcknowledgePacket,
  type AuthPacket,
  type ConnectPacket,
  type DisconnectPacket,
  type Packet,
  type ProtocolVersion,
  type PublishPacket,
  type SubscriptionRequest,
} from './packets.js';
import { writeProperties } from './properties.js';

/** One writer for all: encoding is synchronous and `packet()` copies out. */
const writer = new ByteWriter();

/**
 * The bytes of a packet, fixed header included, in a buffer of their own.
 *
 * Properties and reason codes are written for version 5 only.
 * @throws RangeError when a string or binary field has more than 65,535 bytes, or the packet more than 268,435,455
 */
export function encodePacket(packet: Packet, version: ProtocolVersion): Buffer {
  writer.begin();
  switch (packet.type) {
    case PacketType.CONNECT:
      return encodeConnect(packet);
    case PacketType.CONNACK:
      writer.byte(packet.sessionPresent ? 1 : 0).byte(packet.reasonCode);
      if (version === 5) writeProperties(writer, packet.properties);
      break;
    case PacketType.PUBLISH:
      return encodePublish(packet, version);
    case PacketType.PUBACK:
    case PacketType.PUBREC:
    case PacketType.PUBREL:
    case PacketType.PUBCOMP:
      writer.uint16(packet.packetId);
      writeReason(packet, version);
      break;
    case PacketType.SUBSCRIBE:
      writer.uint16(packet.packetId);
      if (version === 5) writeProperties(writer, packet.properties);
      for (const request of packet.subscriptions) writer.string(request.filter).byte(subscriptionOptions(request));
      break;
    case PacketType.UNSUBSCRIBE:
      writer.uint16(packet.packetId);
      if (version === 5) writeProperties(writer, packet.properties);
      for (const filter of packet.filters) writer.string(filter);
      break;
    case PacketType.SUBACK:
    case PacketType.UNSUBACK:
      writer.uint16(packet.packetId);
      if (version === 5) writeProperties(writer, packet.properties);
      for (const code of packet.reasonCodes) writer.byte(code);
      break;
    case PacketType.DISCONNECT:
    case PacketType.AUTH:
      writeReason(packet, version);
      break;
    case PacketType.PINGREQ:
    case PacketType.PINGRESP:
      break;
  }
  return writer.packet((packet.type << 4) | prescribedFlags(packet.type));
}

/** The first byte of a PUBLISH (3.3.1). */
export const publishFirstByte = (dup: boolean, qos: number, retain: boolean): number =>
  (PacketType.PUBLISH << 4) | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0);

function encodeConnect({ protocolVersion, will, username, password, ...packet }: ConnectPacket): Buffer {
  const flags =
    (packet.cleanStart ? 0x02 : 0) |
    (will ? 0x04 | (will.qos << 3) | (will.retain ? 0x20 : 0) : 0) |
    (password === undefined ? 0 : 0x40) |
    (username === undefined ? 0 : 0x80);
  writer
    .string(protocolVersion === 3 ? 'MQIsdp' : 'MQTT')
    .byte(protocolVersion)
    .byte(flags)
    .uint16(packet.keepAlive);
  if (protocolVersion === 5) writeProperties(writer, packet.properties);
  writer.string(packet.clientId);
  if (will) {
    if (protocolVersion === 5) writeProperties(writer, will.properties);
    writer.string(will.topic).binary(will.payload);
  }
  if (username !== undefined) writer.string(username);
  if (password !== undefined) writer.binary(password);
  return writer.packet(PacketType.CONNECT << 4);
}

function encodePublish(packet: PublishPacket, version: ProtocolVersion): Buffer {
  writer.string(packet.topic);
  if (packet.qos > 0) writer.uint16(packet.packetId);
  if (version === 5) writeProperties(writer, packet.properties);
  writer.raw(packet.payload);
  return writer.packet(publishFirstByte(packet.dup, packet.qos, packet.retain));
}

/** The shortest form: without properties no Property Length, and Success without properties is left out as well. */
function writeReason(packet: AcknowledgePacket | DisconnectPacket | AuthPacket, version: ProtocolVersion): void {
  if (version !== 5 || (packet.reasonCode === 0 && packet.properties === undefined)) return;
  writer.byte(packet.reasonCode);
  if (packet.properties !== undefined) writeProperties(writer, packet.properties);
}

const subscriptionOptions = (request: SubscriptionRequest): number =>
  request.qos | (request.noLocal ? 0x04 : 0) | (request.retainAsPublished ? 0x08 : 0) | (request.retainHandling << 4);
