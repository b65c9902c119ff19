import { PacketType, type Packet, type ProtocolVersion } from '../../lib/protocol/packets.js';
import { hex } from './bytes.js';
import { packetWith, places, propertyCases } from './property-cases.js';

/** One packet as bytes and as an object; the decoder, the encoder and the server are tested with the same table. */
export interface PacketCase {
  /** Names the packet type first; with the version it is unique. */
  readonly name: string;
  readonly version: ProtocolVersion;
  /** In the notation of `bytes.ts`. */
  readonly notation: string;
  readonly packet: Packet;
  /** A legal form that the encoder does not choose, because there is a shorter one. */
  readonly decodesOnly: boolean;
}

type Versions = readonly ProtocolVersion[];
const row = (versions: Versions, name: string, notation: string, packet: Packet, decodesOnly = false): PacketCase[] =>
  versions.map((version) => ({ name: `${name} (version ${version})`, version, notation, packet, decodesOnly }));

const below5: Versions = [3, 4];
const every: Versions = [3, 4, 5];

const connect = (protocolVersion: ProtocolVersion) =>
  ({ type: PacketType.CONNECT, protocolVersion, cleanStart: true, keepAlive: 60, clientId: 'dev' }) as const;
const full = (protocolVersion: ProtocolVersion) =>
  ({
    ...connect(protocolVersion),
    username: 'ann',
    password: hex('00ff'),
    will: { topic: 'gone', payload: Buffer.from('bye'), qos: 1, retain: true },
  }) as const;
const plainPublish = {
  type: PacketType.PUBLISH,
  dup: false,
  qos: 0,
  retain: false,
  topic: 'a/b',
  packetId: 0,
  payload: Buffer.from('hi'),
} as const;
const request = { filter: 'a/b', qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;

const connections = [
  ...row([3], 'CONNECT', "10 11 0006'MQIsdp' 03 02 003c 0003'dev'", connect(3)),
  ...row([4], 'CONNECT', "10 0f 0004'MQTT' 04 02 003c 0003'dev'", connect(4)),
  ...row([5], 'CONNECT', "10 10 0004'MQTT' 05 02 003c 00{} 0003'dev'", connect(5)),
  ...row(
    [3],
    'CONNECT in full',
    "10 25 0006'MQIsdp' 03 ee 003c 0003'dev' 0004'gone' 0003'bye' 0003'ann' 0002[00ff]",
    full(3),
  ),
  ...row(
    [4],
    'CONNECT in full',
    "10 23 0004'MQTT' 04 ee 003c 0003'dev' 0004'gone' 0003'bye' 0003'ann' 0002[00ff]",
    full(4),
  ),
  ...row(
    [5],
    'CONNECT in full',
    "10 2f 0004'MQTT' 05 ee 003c 05{11 0000000a} 0003'dev' 05{18 00000005} 0004'gone' 0003'bye' 0003'ann' 0002[00ff]",
    {
      ...full(5),
      properties: { sessionExpiryInterval: 10 },
      will: { ...full(5).will, properties: { willDelayInterval: 5 } },
    },
  ),
  ...row([4], 'CONNECT that resumes and never times out', "10 0f 0004'MQTT' 04 00 0000 0003'dev'", {
    ...connect(4),
    cleanStart: false,
    keepAlive: 0,
  }),
  ...row([4], 'CONNECT without a client id', "10 0c 0004'MQTT' 04 02 ffff 0000''", {
    ...connect(4),
    keepAlive: 65_535,
    clientId: '',
  }),
  ...row(
    [4],
    'CONNECT with an empty user name, password and will',
    "10 18 0004'MQTT' 04 c6 003c 0003'dev' 0001'w' 0000[] 0000'' 0000[]",
    {
      ...connect(4),
      username: '',
      password: hex(''),
      will: { topic: 'w', payload: hex(''), qos: 0, retain: false },
    },
  ),
  ...row([5], 'CONNECT with a password alone', "10 14 0004'MQTT' 05 42 003c 00{} 0003'dev' 0002[00ff]", {
    ...connect(5),
    password: hex('00ff'),
  }),
  ...row(
    [3],
    'CONNECT that promises a user name and has none',
    "10 11 0006'MQIsdp' 03 c2 003c 0003'dev'",
    connect(3),
    true,
  ),
  ...row(below5, 'CONNACK', '20 02 00 00', { type: PacketType.CONNACK, sessionPresent: false, reasonCode: 0 }),
  ...row(below5, 'CONNACK that refuses', '20 02 00 05', {
    type: PacketType.CONNACK,
    sessionPresent: false,
    reasonCode: 5,
  }),
  ...row([4], 'CONNACK that resumes', '20 02 01 00', { type: PacketType.CONNACK, sessionPresent: true, reasonCode: 0 }),
  ...row([5], 'CONNACK', '20 03 01 00 00{}', { type: PacketType.CONNACK, sessionPresent: true, reasonCode: 0 }),
  ...row([5], 'CONNACK that refuses', '20 03 00 87 00{}', {
    type: PacketType.CONNACK,
    sessionPresent: false,
    reasonCode: 0x87,
  }),
  ...row(every, 'PINGREQ', 'c0 00', { type: PacketType.PINGREQ }),
  ...row(every, 'PINGRESP', 'd0 00', { type: PacketType.PINGRESP }),
  ...row(every, 'DISCONNECT', 'e0 00', { type: PacketType.DISCONNECT, reasonCode: 0 }),
  ...row([5], 'DISCONNECT with a reason', 'e0 01 04', { type: PacketType.DISCONNECT, reasonCode: 4 }),
  ...row([5], 'DISCONNECT in the long form', 'e0 02 00 00{}', { type: PacketType.DISCONNECT, reasonCode: 0 }, true),
  ...row([5], 'AUTH', 'f0 00', { type: PacketType.AUTH, reasonCode: 0 }),
  ...row([5], 'AUTH that goes on', "f0 0f 18 0d{15 0005'PLAIN' 16 0002[0102]}", {
    type: PacketType.AUTH,
    reasonCode: 0x18,
    properties: { authenticationMethod: 'PLAIN', authenticationData: hex('0102') },
  }),
];

const publishes = [
  ...row(below5, 'PUBLISH at QoS 0', `30 07 0003'a/b' "hi"`, plainPublish),
  ...row(below5, 'PUBLISH at QoS 1', `32 09 0003'a/b' 0007 "hi"`, { ...plainPublish, qos: 1, packetId: 7 }),
  ...row(below5, 'PUBLISH at QoS 2, again and retained', `3d 09 0003'a/b' ffff "hi"`, {
    ...plainPublish,
    dup: true,
    qos: 2,
    retain: true,
    packetId: 65_535,
  }),
  ...row(below5, 'PUBLISH that clears a retained message', "31 05 0003'a/b'", {
    ...plainPublish,
    retain: true,
    payload: hex(''),
  }),
  ...row(below5, 'PUBLISH of 200 bytes', `30 cd 01 0003'a/b' ${'00'.repeat(200)}`, {
    ...plainPublish,
    payload: Buffer.alloc(200),
  }),
  ...row([5], 'PUBLISH at QoS 0', `30 08 0003'a/b' 00{} "hi"`, plainPublish),
  ...row([5], 'PUBLISH at QoS 1', `32 0a 0003'a/b' 0007 00{} "hi"`, { ...plainPublish, qos: 1, packetId: 7 }),
  ...row([5], 'PUBLISH at QoS 2, again and retained', `3d 0a 0003'a/b' ffff 00{} "hi"`, {
    ...plainPublish,
    dup: true,
    qos: 2,
    retain: true,
    packetId: 65_535,
  }),
  ...row([5], 'PUBLISH by alias alone', `30 08 0000'' 03{23 0005} "hi"`, {
    ...plainPublish,
    topic: '',
    properties: { topicAlias: 5 },
  }),
  ...row([5], 'PUBLISH to two subscriptions of one client', "34 0d 0003'a/b' 0007 05{0b 01 0b 80 01}", {
    ...plainPublish,
    qos: 2,
    packetId: 7,
    payload: hex(''),
    properties: { subscriptionIdentifiers: [1, 128] },
  }),
];

const acknowledgements = ([4, 5, 6, 7] as const).flatMap((type) => {
  const name = ['PUBACK', 'PUBREC', 'PUBREL', 'PUBCOMP'][type - 4];
  const first = ['40', '50', '62', '70'][type - 4];
  const [code, reasonCode] = type < 6 ? ['10', 0x10] : ['92', 0x92];
  return [
    ...row(every, name, `${first} 02 0007`, { type, packetId: 7, reasonCode: 0 }),
    ...row([5], `${name} with a reason`, `${first} 03 0007 ${code}`, { type, packetId: 7, reasonCode }),
    ...row([5], `${name} with a reason in words`, `${first} 0b 0007 ${code} 07{1f 0004'lost'}`, {
      type,
      packetId: 7,
      reasonCode,
      properties: { reasonString: 'lost' },
    }),
    ...row([5], `${name} with an idle reason`, `${first} 03 0007 00`, { type, packetId: 7, reasonCode: 0 }, true),
    ...row([5], `${name} in the long form`, `${first} 04 0007 ${code} 00{}`, { type, packetId: 7, reasonCode }, true),
  ];
});

const subscriptions = [
  ...row(below5, 'SUBSCRIBE', "82 0c 0007 0003'a/b' 00 0001'#' 02", {
    type: PacketType.SUBSCRIBE,
    packetId: 7,
    subscriptions: [request, { ...request, filter: '#', qos: 2 }],
  }),
  ...row([5], 'SUBSCRIBE', "82 0f 0007 00{} 0003'a/b' 00 0003'a/+' 22", {
    type: PacketType.SUBSCRIBE,
    packetId: 7,
    subscriptions: [request, { ...request, filter: 'a/+', qos: 2, retainHandling: 2 }],
  }),
  ...row([5], 'SUBSCRIBE with options', "82 0f 0007 00{} 0001'n' 04 0001'p' 08 0001'h' 10", {
    type: PacketType.SUBSCRIBE,
    packetId: 7,
    subscriptions: [
      { ...request, filter: 'n', noLocal: true },
      { ...request, filter: 'p', retainAsPublished: true },
      { ...request, filter: 'h', retainHandling: 1 },
    ],
  }),
  ...row([5], 'SUBSCRIBE with an identifier', "82 0b 0007 02{0b 05} 0003'a/b' 00", {
    type: PacketType.SUBSCRIBE,
    packetId: 7,
    subscriptions: [request],
    properties: { subscriptionIdentifiers: [5] },
  }),
  ...row(below5, 'SUBACK', '90 05 0007 00 02 80', { type: PacketType.SUBACK, packetId: 7, reasonCodes: [0, 2, 0x80] }),
  ...row([5], 'SUBACK', '90 06 0007 00{} 01 87 8f', {
    type: PacketType.SUBACK,
    packetId: 7,
    reasonCodes: [1, 0x87, 0x8f],
  }),
  ...row(below5, 'UNSUBSCRIBE', "a2 0a 0007 0003'a/b' 0001'#'", {
    type: PacketType.UNSUBSCRIBE,
    packetId: 7,
    filters: ['a/b', '#'],
  }),
  ...row([5], 'UNSUBSCRIBE', "a2 0b 0007 00{} 0003'a/b' 0001'#'", {
    type: PacketType.UNSUBSCRIBE,
    packetId: 7,
    filters: ['a/b', '#'],
  }),
  ...row(below5, 'UNSUBACK', 'b0 02 0007', { type: PacketType.UNSUBACK, packetId: 7, reasonCodes: [] }),
  ...row([5], 'UNSUBACK', 'b0 05 0007 00{} 00 11', { type: PacketType.UNSUBACK, packetId: 7, reasonCodes: [0, 0x11] }),
];

/** Every property of MQTT 5 in every packet that may carry it. */
const properties = propertyCases.flatMap((property) =>
  property.places.flatMap((place) =>
    row(
      [5],
      place === 'WILL' ? `CONNECT whose will has ${property.name}` : `${place} with ${property.name}`,
      packetWith(place, property.hex),
      places[place].packet(property.properties),
    ),
  ),
);

export const packetCases: readonly PacketCase[] = [
  ...connections,
  ...publishes,
  ...acknowledgements,
  ...subscriptions,
  ...properties,
];
