import { PacketType, type Packet } from '../../lib/protocol/packets.js';
import { WILL, type Properties } from '../../lib/protocol/properties.js';
import { framed, hex, propertyBlock } from './bytes.js';

/** Places of MQTT 5, table 2-4, in its own words. */
export type Place = keyof typeof places;

export interface PropertyCase {
  readonly name: keyof Properties;
  /** Identifier and value. */
  readonly hex: string;
  readonly properties: Properties;
  readonly places: readonly Place[];
}

const everywhere: readonly Place[] = [
  ...(['CONNECT', 'CONNACK', 'PUBLISH', 'WILL', 'PUBACK', 'PUBREC', 'PUBREL', 'PUBCOMP'] as const),
  ...(['SUBSCRIBE', 'SUBACK', 'UNSUBSCRIBE', 'UNSUBACK', 'DISCONNECT', 'AUTH'] as const),
];
const messages: readonly Place[] = ['PUBLISH', 'WILL'];
const answers: readonly Place[] = ['CONNACK', 'PUBACK', 'PUBREC', 'PUBREL', 'PUBCOMP', 'SUBACK', 'UNSUBACK'];
const greetings: readonly Place[] = ['CONNECT', 'CONNACK'];

const k = (value: string) => ['k', value] as const;

const row = (
  name: keyof Properties,
  notation: string,
  value: Properties[keyof Properties],
  allowed: readonly Place[],
): PropertyCase => ({ name, hex: notation, properties: { [name]: value }, places: allowed });

/** The 27 properties, typed in from the standard and not from `propertyTable`, which they check. */
export const propertyCases: readonly PropertyCase[] = [
  row('payloadFormatIndicator', '01 01', 1, messages),
  row('messageExpiryInterval', '02 0001 5180', 86_400, messages),
  row('contentType', "03 0010'application/json'", 'application/json', messages),
  row('responseTopic', "08 0007'reply/1'", 'reply/1', messages),
  row('correlationData', '09 0003[00ff01]', hex('00ff01'), messages),
  row('subscriptionIdentifiers', '0b ff ff ff 7f', [268_435_455], ['PUBLISH', 'SUBSCRIBE']),
  row('sessionExpiryInterval', '11 ffff ffff', 0xffffffff, ['CONNECT', 'CONNACK', 'DISCONNECT']),
  row('assignedClientIdentifier', "12 0006'auto-1'", 'auto-1', ['CONNACK']),
  row('serverKeepAlive', '13 003c', 60, ['CONNACK']),
  row('authenticationMethod', "15 0005'PLAIN'", 'PLAIN', [...greetings, 'AUTH']),
  {
    // A CONNECT may carry data only together with a method.
    name: 'authenticationData',
    hex: "15 0005'PLAIN' 16 0002[00fe]",
    properties: { authenticationMethod: 'PLAIN', authenticationData: hex('00fe') },
    places: [...greetings, 'AUTH'],
  },
  row('requestProblemInformation', '17 00', false, ['CONNECT']),
  row('willDelayInterval', '18 0000 001e', 30, ['WILL']),
  row('requestResponseInformation', '19 01', true, ['CONNECT']),
  row('responseInformation', "1a 0006'reply/'", 'reply/', ['CONNACK']),
  row('serverReference', "1c 0006'node-2'", 'node-2', ['CONNACK', 'DISCONNECT']),
  row('reasonString', "1f 0004'full'", 'full', [...answers, 'DISCONNECT', 'AUTH']),
  row('receiveMaximum', '21 ffff', 65_535, greetings),
  row('topicAliasMaximum', '22 000a', 10, greetings),
  row('topicAlias', '23 0001', 1, ['PUBLISH']),
  row('maximumQoS', '24 01', 1, ['CONNACK']),
  row('retainAvailable', '25 00', false, ['CONNACK']),
  row('userProperties', "26 0001'k' 0001'v' 26 0001'k' 0000''", [k('v'), k('')], everywhere),
  row('maximumPacketSize', '27 0001 0000', 65_536, greetings),
  row('wildcardSubscriptionAvailable', '28 01', true, ['CONNACK']),
  row('subscriptionIdentifiersAvailable', '29 00', false, ['CONNACK']),
  row('sharedSubscriptionAvailable', '2a 01', true, ['CONNACK']),
];

interface Carrier {
  /** Packet type, or `WILL`. */
  readonly type: number;
  readonly write: (block: string) => string;
  readonly packet: (properties: Properties | undefined) => Packet;
}

const acknowledgement = (type: 4 | 5 | 6 | 7): Carrier => ({
  type,
  write: (block) => framed((type << 4) | (type === PacketType.PUBREL ? 2 : 0), `0007 00 ${block}`),
  packet: (properties) => ({ type, packetId: 7, reasonCode: 0, properties }),
});

const reply = (type: 9 | 11): Carrier => ({
  type,
  write: (block) => framed(type << 4, `0007 ${block} 00`),
  packet: (properties) => ({ type, packetId: 7, reasonCodes: [0], properties }),
});

const farewell = (type: 14 | 15): Carrier => ({
  type,
  write: (block) => framed(type << 4, `00 ${block}`),
  packet: (properties) => ({ type, reasonCode: 0, properties }),
});

const connect = {
  type: PacketType.CONNECT,
  protocolVersion: 5,
  cleanStart: true,
  keepAlive: 60,
  clientId: 'c',
} as const;
const request = { filter: 'f', qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
const publish = { type: PacketType.PUBLISH, dup: false, qos: 0, retain: false, topic: 't', packetId: 0 } as const;

/** A small packet of each kind around a block of properties. */
export const places = {
  CONNECT: {
    type: PacketType.CONNECT,
    write: (block) => framed(0x10, `0004'MQTT' 05 02 003c ${block} 0001'c'`),
    packet: (properties) => ({ ...connect, properties }),
  },
  CONNACK: {
    type: PacketType.CONNACK,
    write: (block) => framed(0x20, `00 00 ${block}`),
    packet: (properties) => ({ type: PacketType.CONNACK, sessionPresent: false, reasonCode: 0, properties }),
  },
  PUBLISH: {
    type: PacketType.PUBLISH,
    write: (block) => framed(0x30, `0001't' ${block} "hi"`),
    packet: (properties) => ({ ...publish, payload: Buffer.from('hi'), properties }),
  },
  WILL: {
    type: WILL,
    write: (block) => framed(0x10, `0004'MQTT' 05 06 003c 00{} 0001'c' ${block} 0001't' 0002'hi'`),
    packet: (properties) => ({
      ...connect,
      will: { topic: 't', payload: Buffer.from('hi'), qos: 0, retain: false, properties },
    }),
  },
  PUBACK: acknowledgement(PacketType.PUBACK),
  PUBREC: acknowledgement(PacketType.PUBREC),
  PUBREL: acknowledgement(PacketType.PUBREL),
  PUBCOMP: acknowledgement(PacketType.PUBCOMP),
  SUBSCRIBE: {
    type: PacketType.SUBSCRIBE,
    write: (block) => framed(0x82, `0007 ${block} 0001'f' 00`),
    packet: (properties) => ({ type: PacketType.SUBSCRIBE, packetId: 7, subscriptions: [request], properties }),
  },
  SUBACK: reply(PacketType.SUBACK),
  UNSUBSCRIBE: {
    type: PacketType.UNSUBSCRIBE,
    write: (block) => framed(0xa2, `0007 ${block} 0001'f'`),
    packet: (properties) => ({ type: PacketType.UNSUBSCRIBE, packetId: 7, filters: ['f'], properties }),
  },
  UNSUBACK: reply(PacketType.UNSUBACK),
  DISCONNECT: farewell(PacketType.DISCONNECT),
  AUTH: farewell(PacketType.AUTH),
} satisfies Record<string, Carrier>;

export const placeNames = Object.keys(places) as Place[];

/** A packet of the kind `place` with these properties, in the notation of `bytes.ts`. */
export const packetWith = (place: Place, properties: string): string => places[place].write(propertyBlock(properties));
