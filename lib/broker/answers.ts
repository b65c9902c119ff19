import { encodePacket } from '../protocol/packet-encoder.js';
import { PacketType, type Packet, type ProtocolVersion } from '../protocol/packets.js';
import { ReasonCode, connackReturnCode, legalReasonCodes } from '../protocol/reason-codes.js';

/** What the other end can read and wants to be told. */
export interface Reader {
  readonly protocolVersion: ProtocolVersion;
  /** Bytes of the largest packet that it takes. */
  readonly maximumPacketSize: number;
  /** Whether Reason String and User Property may stand on every packet (MQTT 5, 3.1.2.11.7). */
  readonly wantsProblemInformation: boolean;
}

/**
 * The bytes of an answer, without Reason String and User Property where the reader does not want them or where they make
 * the packet too large ([MQTT-3.2.2-19] and its likes).
 * @returns undefined when the packet is too large even so ([MQTT-3.1.2-24])
 */
export function encodeAnswer(packet: Packet, reader: Reader): Buffer | undefined {
  const { protocolVersion, maximumPacketSize, wantsProblemInformation } = reader;
  const allowed = wantsProblemInformation || mayAlwaysExplain(packet) ? packet : withoutProblemInformation(packet);
  const bytes = encodePacket(allowed, protocolVersion);
  if (bytes.length <= maximumPacketSize) return bytes;
  const smaller = encodePacket(withoutProblemInformation(packet), protocolVersion);
  return smaller.length <= maximumPacketSize ? smaller : undefined;
}

/** Why a connection ends. */
export interface Ending {
  readonly protocolVersion: ProtocolVersion;
  readonly reasonCode: number;
  readonly reason: string | undefined;
  /** Named to those who are sent to another server. */
  readonly serverReference: string | undefined;
}

/** The CONNACK for a CONNECT that is not accepted; undefined where the version has no code for it. */
export function refusal(ending: Ending): Packet | undefined {
  const connack = { type: PacketType.CONNACK, sessionPresent: false } as const;
  // [MQTT-3.2.2-8]
  if (ending.protocolVersion === 5) return { ...connack, ...explained(ending, PacketType.CONNACK) };
  const reasonCode = connackReturnCode(ending.reasonCode);
  return reasonCode === undefined ? undefined : { ...connack, reasonCode };
}

/** The DISCONNECT for a client that is sent away; undefined below MQTT 5, which has none from the server. */
export function farewell(ending: Ending): Packet | undefined {
  if (ending.protocolVersion !== 5) return undefined;
  return { type: PacketType.DISCONNECT, ...explained(ending, PacketType.DISCONNECT) };
}

/** The answer to a protocol level that is not one of the three, in the shape that such a client is likely to read. */
export const unsupportedVersion = (level: number): Buffer =>
  Buffer.from(level < 5 ? [0x20, 2, 0, 1] : [0x20, 3, 0, ReasonCode.UnsupportedProtocolVersion, 0]);

function explained({ reasonCode, reason, serverReference }: Ending, type: 2 | 14) {
  const legal = legalReasonCodes[type].has(reasonCode) ? reasonCode : ReasonCode.UnspecifiedError;
  const isElsewhere = legal === ReasonCode.UseAnotherServer || legal === ReasonCode.ServerMoved;
  const properties = {
    ...(reason !== undefined && { reasonString: reason }),
    ...(isElsewhere && serverReference !== undefined && { serverReference }),
  };
  return { reasonCode: legal, properties };
}

/** [MQTT-3.1.2-29] */
const mayAlwaysExplain = ({ type }: Packet): boolean =>
  type === PacketType.CONNACK || type === PacketType.DISCONNECT || type === PacketType.PUBLISH;

function withoutProblemInformation(packet: Packet): Packet {
  if (!('properties' in packet) || packet.properties === undefined) return packet;
  const { reasonString: _, userProperties: __, ...rest } = packet.properties;
  return { ...packet, properties: Object.keys(rest).length === 0 ? undefined : rest };
}
