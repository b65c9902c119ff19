import fc, { type Arbitrary } from 'fast-check';
import { PacketType, type Packet, type ProtocolVersion, type QoS } from '../../lib/protocol/packets.js';
import { WILL, propertyTable, type Properties } from '../../lib/protocol/properties.js';
import { legalReasonCodes } from '../../lib/protocol/reason-codes.js';

/** Every packet that MQTT allows, as fast-check draws them; legal by construction, never by filtering. */

const qos = fc.constantFrom<QoS>(0, 1, 2);
const packetId = fc.integer({ min: 1, max: 0xffff });
const uint16 = fc.integer({ min: 0, max: 0xffff });
const uint32 = fc.integer({ min: 0, max: 0xffffffff });
const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array));

/** Any code point but U+0000; `binary` draws no surrogates. */
const text = fc.oneof(
  { weight: 4, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }).map((drawn) => drawn.replaceAll('\0', '')) },
  fc.constantFrom('__proto__', 'constructor', '\ufeff', '\uffff', '😀', 'x'.repeat(130)),
);
const topic = text.map((drawn) => `t/${drawn.replaceAll(/[+#]/g, '')}`);

const reasonCode = (type: number) => fc.constantFrom(...legalReasonCodes[type]);
const reasonCodes = (type: number) => fc.array(reasonCode(type), { minLength: 1, maxLength: 4 });

type PropertyType = (typeof propertyTable)[number]['type'];

const valueOf = (place: number): Record<PropertyType, Arbitrary<unknown>> => ({
  bit: fc.constantFrom(0, 1),
  flag: fc.boolean(),
  uint16,
  positive16: packetId,
  uint32,
  positive32: fc.integer({ min: 1, max: 0xffffffff }),
  identifiers: fc.array(fc.integer({ min: 1, max: 268_435_455 }), {
    minLength: 1,
    maxLength: place === PacketType.PUBLISH ? 4 : 1,
  }),
  string: text,
  binary: bytes,
  pairs: fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 4 }),
});

/** Any set of properties that may stand in `place`, a packet type or `WILL`; undefined for none. */
export function propertiesIn(place: number): Arbitrary<Properties | undefined> {
  const allowed = propertyTable.filter(({ allowedIn }) => (allowedIn & (1 << place)) !== 0);
  const values = valueOf(place);
  return fc
    .record(Object.fromEntries(allowed.map(({ name, type }) => [name, values[type]])), { requiredKeys: [] })
    .map(({ authenticationData, ...others }) =>
      // Data goes only with a method.
      'authenticationMethod' in others && authenticationData !== undefined ? { ...others, authenticationData } : others,
    )
    .map((properties) => (Object.keys(properties).length === 0 ? undefined : (properties as Properties)));
}

/** A property set in version 5, none below. */
const propertiesFor = (version: ProtocolVersion, place: number) =>
  version === 5 ? propertiesIn(place) : fc.constant(undefined);

const connect = (protocolVersion: ProtocolVersion): Arbitrary<Packet> => {
  const will = fc.record({
    topic,
    payload: bytes,
    qos,
    retain: fc.boolean(),
    properties: propertiesFor(protocolVersion, WILL),
  });
  return fc
    .record({
      type: fc.constant(PacketType.CONNECT),
      protocolVersion: fc.constant(protocolVersion),
      cleanStart: fc.boolean(),
      keepAlive: uint16,
      clientId: text,
      username: fc.option(text, { nil: undefined }),
      password: fc.option(bytes, { nil: undefined }),
      will: fc.option(will, { nil: undefined }),
      properties: propertiesFor(protocolVersion, PacketType.CONNECT),
    })
    .map((packet) =>
      // [v3: MQTT-3.1.2-22]
      protocolVersion < 5 && packet.username === undefined ? { ...packet, password: undefined } : packet,
    );
};

const publish = (version: ProtocolVersion): Arbitrary<Packet> =>
  fc
    .record({
      type: fc.constant(PacketType.PUBLISH),
      topic: fc.oneof(
        {
          weight: 3,
          arbitrary: topic,
        },
        fc.constant(''),
      ),
      payload: bytes,
      dup: fc.boolean(),
      qos,
      retain: fc.boolean(),
      packetId,
      properties: propertiesFor(version, PacketType.PUBLISH),
    })
    .map((packet) => ({
      ...packet,
      // [MQTT-3.3.1-2] [MQTT-2.2.1-2]
      ...(packet.qos === 0 && { dup: false, packetId: 0 }),
      // [MQTT-4.7.3-1] empty only with an alias
      topic: packet.topic === '' && packet.properties?.topicAlias === undefined ? 't' : packet.topic,
    }));

const subscription = (version: ProtocolVersion) =>
  fc.record({
    filter: text,
    qos,
    noLocal: version === 5 ? fc.boolean() : fc.constant(false),
    retainAsPublished: version === 5 ? fc.boolean() : fc.constant(false),
    retainHandling: version === 5 ? fc.constantFrom(0 as const, 1 as const, 2 as const) : fc.constant(0 as const),
  });

const several = <T>(arbitrary: Arbitrary<T>) => fc.array(arbitrary, { minLength: 1, maxLength: 4 });

/** A Reason Code and properties in version 5, Success below. */
const reasonIn = (version: ProtocolVersion, type: number) => ({
  reasonCode: version === 5 ? reasonCode(type) : fc.constant(0),
  properties: propertiesFor(version, type),
});

/** Any packet of one type; AUTH exists in version 5 only. */
export function packetOfType(type: Packet['type'], version: ProtocolVersion): Arbitrary<Packet> {
  const properties = propertiesFor(version, type);
  switch (type) {
    case PacketType.CONNECT:
      return connect(version);
    case PacketType.CONNACK: {
      const code = version === 5 ? reasonCode(type) : fc.integer({ min: 0, max: 5 });
      return fc.record({ type: fc.constant(type), sessionPresent: fc.boolean(), reasonCode: code, properties });
    }
    case PacketType.PUBLISH:
      return publish(version);
    case PacketType.PUBACK:
    case PacketType.PUBREC:
    case PacketType.PUBREL:
    case PacketType.PUBCOMP:
      return fc.record({ type: fc.constant(type), packetId, ...reasonIn(version, type) });
    case PacketType.SUBSCRIBE:
      return fc.record({
        type: fc.constant(type),
        packetId,
        subscriptions: several(subscription(version)),
        properties,
      });
    case PacketType.SUBACK: {
      const codes = version === 5 ? reasonCodes(type) : several(fc.constantFrom(0, 1, 2, 0x80));
      return fc.record({ type: fc.constant(type), packetId, reasonCodes: codes, properties });
    }
    case PacketType.UNSUBSCRIBE:
      return fc.record({ type: fc.constant(type), packetId, filters: several(text), properties });
    case PacketType.UNSUBACK: {
      const codes = version === 5 ? reasonCodes(type) : fc.constant<number[]>([]);
      return fc.record({ type: fc.constant(type), packetId, reasonCodes: codes, properties });
    }
    case PacketType.PINGREQ:
    case PacketType.PINGRESP:
      return fc.record({ type: fc.constant(type) });
    default:
      return fc.record({ type: fc.constant(type), ...reasonIn(version, type) });
  }
}

export const versions = [3, 4, 5] as const satisfies readonly ProtocolVersion[];

export const packetTypesOf = (version: ProtocolVersion): readonly Packet['type'][] =>
  Object.values(PacketType).filter((type) => type !== PacketType.AUTH || version === 5);

/** Any packet of a version. */
export const anyPacket = (version: ProtocolVersion): Arbitrary<Packet> =>
  fc.oneof(...packetTypesOf(version).map((type) => packetOfType(type, version)));
