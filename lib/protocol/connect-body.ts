import type { ByteReader } from './byte-reader.js';
import { MqttError, UnsupportedProtocolError, malformed } from './mqtt-error.js';
import { PacketType, type ConnectPacket, type ProtocolVersion, type QoS, type WillFields } from './packets.js';
import { WILL, readProperties } from './properties.js';
import { ReasonCode } from './reason-codes.js';

/** CONNECT behind its protocol name and level. */
export function decodeConnect(reader: ByteReader, protocolVersion: ProtocolVersion): ConnectPacket {
  const flags = reader.byte();
  checkConnectFlags(flags, protocolVersion);
  const keepAlive = reader.uint16();
  const properties = protocolVersion === 5 ? readProperties(reader, PacketType.CONNECT) : undefined;
  if (properties?.authenticationData && properties.authenticationMethod === undefined) {
    throw new MqttError(ReasonCode.ProtocolError, 'a CONNECT has authentication data without a method');
  }
  const clientId = reader.string();
  const will = (flags & 0x04) !== 0 ? decodeWill(reader, flags, protocolVersion) : undefined;
  // 3.1: the Remaining Length goes before the flags, a promised user name or password may be missing.
  const isPresent = (flag: number) => (flags & flag) !== 0 && !(protocolVersion === 3 && reader.remaining === 0);
  const username = isPresent(0x80) ? reader.string() : undefined;
  const password = isPresent(0x40) ? reader.binary() : undefined;
  return {
    type: PacketType.CONNECT,
    protocolVersion,
    cleanStart: (flags & 0x02) !== 0,
    keepAlive,
    clientId,
    username,
    password,
    will,
    properties,
  };
}

/**
 * The protocol name and level at the start of a CONNECT.
 * @throws UnsupportedProtocolError
 */
export function decodeProtocolVersion(reader: ByteReader): ProtocolVersion {
  const name = reader.string();
  const level = reader.byte();
  if (name === 'MQTT' && (level === 4 || level === 5)) return level;
  if (name === 'MQIsdp' && level === 3) return level;
  // [MQTT-3.1.2-1] [MQTT-3.1.2-2]
  const known = name === 'MQTT' || name === 'MQIsdp';
  throw new UnsupportedProtocolError(known ? level : undefined);
}

function checkConnectFlags(flags: number, protocolVersion: ProtocolVersion): void {
  if ((flags & 0x01) !== 0) throw malformed('the reserved flag of CONNECT is set', '3.1.2-3');
  const willQoS = (flags >> 3) & 3;
  if (willQoS === 3) throw malformed('the will has QoS 3', '3.1.2-12');
  if ((flags & 0x04) === 0) {
    if (willQoS !== 0) throw malformed('there is a will QoS without a will', '3.1.2-11');
    if ((flags & 0x20) !== 0) throw malformed('there is a will retain flag without a will', '3.1.2-13');
  }
  // [v3: MQTT-3.1.2-22]
  if (protocolVersion < 5 && (flags & 0xc0) === 0x40) {
    throw malformed('there is a password without a user name', '3.1.2-22');
  }
}

function decodeWill(reader: ByteReader, flags: number, protocolVersion: ProtocolVersion): WillFields {
  const properties = protocolVersion === 5 ? readProperties(reader, WILL) : undefined;
  const topic = reader.string();
  if (topic === '' || topic.includes('+') || topic.includes('#')) {
    throw new MqttError(ReasonCode.TopicNameInvalid, 'the will topic is empty or holds a wildcard', 'MQTT-4.7.0-1');
  }
  const payload = reader.binary();
  return { topic, payload, qos: ((flags >> 3) & 3) as QoS, retain: (flags & 0x20) !== 0, properties };
}
