import type { Properties } from './properties.js';

/** Control packet types (MQTT 5, 2.1.2), as they stand in the upper half of the first byte. */
export const PacketType = {
  CONNECT: 1,
  CONNACK: 2,
  PUBLISH: 3,
  PUBACK: 4,
  PUBREC: 5,
  PUBREL: 6,
  PUBCOMP: 7,
  SUBSCRIBE: 8,
  SUBACK: 9,
  UNSUBSCRIBE: 10,
  UNSUBACK: 11,
  PINGREQ: 12,
  PINGRESP: 13,
  DISCONNECT: 14,
  AUTH: 15,
} as const;

/** The flags in the lower half of the first byte of every packet but PUBLISH ([MQTT-2.1.3-1]): 0010 or 0000. */
export const prescribedFlags = (type: number): number => ((typesWithFlags >> type) & 1) << 1;

const typesWithFlags = (1 << PacketType.PUBREL) | (1 << PacketType.SUBSCRIBE) | (1 << PacketType.UNSUBSCRIBE);

/** PUBACK, PUBREC, PUBREL or PUBCOMP. */
export const isAcknowledgement = (type: number): type is AcknowledgePacket['type'] =>
  type >= PacketType.PUBACK && type <= PacketType.PUBCOMP;

/** 3 is MQTT 3.1 (`MQIsdp`), 4 is MQTT 3.1.1, 5 is MQTT 5.0: the level byte of CONNECT. */
export type ProtocolVersion = 3 | 4 | 5;

/** 0 at most once, 1 at least once, 2 exactly once. */
export type QoS = 0 | 1 | 2;

/** The Will Message inside a CONNECT. */
export interface WillFields {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: QoS;
  readonly retain: boolean;
  /** MQTT 5 only. */
  readonly properties?: Properties | undefined;
}

export interface ConnectPacket {
  readonly type: typeof PacketType.CONNECT;
  readonly protocolVersion: ProtocolVersion;
  /** Clean Start of MQTT 5, Clean Session of 3.1 and 3.1.1. */
  readonly cleanStart: boolean;
  /** Seconds; 0 turns the mechanism off. */
  readonly keepAlive: number;
  readonly clientId: string;
  readonly username?: string | undefined;
  readonly password?: Buffer | undefined;
  readonly will?: WillFields | undefined;
  readonly properties?: Properties | undefined;
}

export interface ConnackPacket {
  readonly type: typeof PacketType.CONNACK;
  readonly sessionPresent: boolean;
  /** A Reason Code in MQTT 5, a return code 0-5 in 3.1 and 3.1.1. */
  readonly reasonCode: number;
  readonly properties?: Properties | undefined;
}

export interface PublishPacket {
  readonly type: typeof PacketType.PUBLISH;
  readonly dup: boolean;
  readonly qos: QoS;
  readonly retain: boolean;
  /** Empty only in MQTT 5 together with a Topic Alias. */
  readonly topic: string;
  /** 1-65535 at QoS 1 and 2, 0 at QoS 0 (where the packet has none). */
  readonly packetId: number;
  readonly payload: Buffer;
  readonly properties?: Properties | undefined;
}

/** PUBACK, PUBREC, PUBREL and PUBCOMP: one shape. */
export interface AcknowledgePacket {
  readonly type:
    typeof PacketType.PUBACK | typeof PacketType.PUBREC | typeof PacketType.PUBREL | typeof PacketType.PUBCOMP;
  readonly packetId: number;
  /** 0 in 3.1 and 3.1.1, which have none. */
  readonly reasonCode: number;
  readonly properties?: Properties | undefined;
}

/** One topic filter of a SUBSCRIBE with its options; below MQTT 5 only the QoS is on the wire. */
export interface SubscriptionRequest {
  readonly filter: string;
  readonly qos: QoS;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  /** 0 send retained messages, 1 only for a new subscription, 2 never. */
  readonly retainHandling: 0 | 1 | 2;
}

export interface SubscribePacket {
  readonly type: typeof PacketType.SUBSCRIBE;
  readonly packetId: number;
  readonly subscriptions: readonly SubscriptionRequest[];
  readonly properties?: Properties | undefined;
}

export interface SubackPacket {
  readonly type: typeof PacketType.SUBACK;
  readonly packetId: number;
  readonly reasonCodes: readonly number[];
  readonly properties?: Properties | undefined;
}

export interface UnsubscribePacket {
  readonly type: typeof PacketType.UNSUBSCRIBE;
  readonly packetId: number;
  readonly filters: readonly string[];
  readonly properties?: Properties | undefined;
}

export interface UnsubackPacket {
  readonly type: typeof PacketType.UNSUBACK;
  readonly packetId: number;
  /** One for each filter in MQTT 5, empty below. */
  readonly reasonCodes: readonly number[];
  readonly properties?: Properties | undefined;
}

export interface PingPacket {
  readonly type: typeof PacketType.PINGREQ | typeof PacketType.PINGRESP;
}

export interface DisconnectPacket {
  readonly type: typeof PacketType.DISCONNECT;
  readonly reasonCode: number;
  readonly properties?: Properties | undefined;
}

export interface AuthPacket {
  readonly type: typeof PacketType.AUTH;
  readonly reasonCode: number;
  readonly properties?: Properties | undefined;
}

/** One MQTT control packet, decoded. */
export type Packet =
  | ConnectPacket
  | ConnackPacket
  | PublishPacket
  | AcknowledgePacket
  | SubscribePacket
  | SubackPacket
  | UnsubscribePacket
  | UnsubackPacket
  | PingPacket
  | DisconnectPacket
  | AuthPacket;

/** `PUBLISH`, `CONNECT` ... for logs and error texts. */
export const packetName = (type: number): string =>
  Object.keys(PacketType).find((name) => PacketType[name as keyof typeof PacketType] === type) ?? `type ${type}`;
