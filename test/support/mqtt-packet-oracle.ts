import { generate, parser, type Packet as OraclePacket } from 'mqtt-packet';
import { PacketType, packetName, type Packet, type ProtocolVersion } from '../../lib/protocol/packets.js';
import type { Properties } from '../../lib/protocol/properties.js';

/**
 * `mqtt-packet`, the codec of MQTT.js and aedes, as a second opinion on what bytes mean.
 *
 * Both sides are compared in its own words: `meaningOf` says a packet of ours as `mqtt-packet` would.
 */
export type Meaning = Readonly<Record<string, unknown>>;

/** The bytes that `mqtt-packet` makes of one of our packets. */
export const generateByOracle = (packet: Packet, version: ProtocolVersion): Buffer =>
  generate(meaningOf(packet, version) as unknown as OraclePacket, { protocolVersion: version });

/** The packet, changed where it is legal and `mqtt-packet` cannot say or read it. */
export function sayableByOracle(packet: Packet): Packet {
  if (packet.type === PacketType.CONNECT) {
    // It wants a client id with Clean Start 0 and in 3.1, and a user name with every password.
    const username = packet.password === undefined ? packet.username : (packet.username ?? 'u');
    return { ...packet, clientId: packet.clientId || 'c', username };
  }
  // It does not know the short form of AUTH.
  if (packet.type === PacketType.AUTH && packet.properties === undefined) return { ...packet, reasonCode: 0x18 };
  return packet;
}

/** What `mqtt-packet` reads; an Error when it refuses, undefined when it waits for more. */
export function parseByOracle(bytes: Buffer, version: ProtocolVersion): Meaning | Error | undefined {
  let result: Meaning | Error | undefined;
  const oracle = parser({ protocolVersion: version });
  oracle.on('packet', (packet) => (result ??= withoutDefaults(packet as unknown as Meaning)));
  oracle.on('error', (error: Error) => (result = error));
  try {
    oracle.parse(bytes);
  } catch (error) {
    // It reads beyond the end of some short packets.
    return error as Error;
  }
  return result;
}

/** Its packets carry the fields of a PUBLISH whatever they are. */
function withoutDefaults({ length: _length, ...packet }: Meaning): Meaning {
  if (packet.cmd === 'publish') return packet;
  const { retain: _retain, qos: _qos, dup: _dup, topic: _topic, payload: _payload, ...fields } = packet;
  return fields;
}

export function meaningOf(packet: Packet, version: ProtocolVersion): Meaning {
  const cmd = packetName(packet.type).toLowerCase();
  const properties = 'properties' in packet ? propertiesMeaning(packet.properties) : undefined;
  switch (packet.type) {
    case PacketType.CONNECT:
      return {
        cmd,
        protocolId: packet.protocolVersion === 3 ? 'MQIsdp' : 'MQTT',
        protocolVersion: packet.protocolVersion,
        clean: packet.cleanStart,
        keepalive: packet.keepAlive,
        clientId: packet.clientId,
        username: packet.username,
        password: packet.password,
        will: packet.will && { ...packet.will, properties: propertiesMeaning(packet.will.properties) },
        properties,
      };
    case PacketType.CONNACK: {
      const code = version === 5 ? { reasonCode: packet.reasonCode } : { returnCode: packet.reasonCode };
      return { cmd, sessionPresent: packet.sessionPresent, ...code, properties };
    }
    case PacketType.PUBLISH: {
      const { topic, payload, qos, dup, retain, packetId } = packet;
      return { cmd, topic, payload, qos, dup, retain, messageId: qos === 0 ? undefined : packetId, properties };
    }
    case PacketType.SUBSCRIBE: {
      const subscriptions = packet.subscriptions.map((request) => ({
        topic: request.filter,
        qos: request.qos,
        ...(version === 5 && { nl: request.noLocal, rap: request.retainAsPublished, rh: request.retainHandling }),
      }));
      return { cmd, messageId: packet.packetId, subscriptions, properties };
    }
    case PacketType.UNSUBSCRIBE:
      return { cmd, messageId: packet.packetId, unsubscriptions: packet.filters, properties };
    case PacketType.SUBACK:
      return { cmd, messageId: packet.packetId, granted: packet.reasonCodes, properties };
    case PacketType.UNSUBACK:
      return { cmd, messageId: packet.packetId, granted: version === 5 ? packet.reasonCodes : undefined, properties };
    case PacketType.PINGREQ:
    case PacketType.PINGRESP:
      return { cmd };
    default: {
      const messageId = 'packetId' in packet ? packet.packetId : undefined;
      return { cmd, messageId, reasonCode: version === 5 ? packet.reasonCode : undefined, properties };
    }
  }
}

function propertiesMeaning(properties: Properties | undefined): Meaning | undefined {
  if (properties === undefined) return undefined;
  const { payloadFormatIndicator, subscriptionIdentifiers, userProperties, ...same } = properties;
  return {
    ...same,
    ...(payloadFormatIndicator !== undefined && { payloadFormatIndicator: payloadFormatIndicator === 1 }),
    ...(subscriptionIdentifiers && { subscriptionIdentifier: oneOrMany(subscriptionIdentifiers) }),
    ...(userProperties && { userProperties: byName(userProperties) }),
  };
}

/** Values by name: `mqtt-packet` loses the order between names, and an empty value when its name comes again. */
function byName(pairs: readonly (readonly [string, string])[]): Meaning {
  const groups = new Map<string, string[]>();
  for (const [name, value] of pairs) {
    const before = groups.get(name) ?? [];
    groups.set(name, before.length === 1 && before[0] === '' ? [value] : [...before, value]);
  }
  const result = Object.create(null) as Record<string, unknown>;
  for (const [name, values] of groups) result[name] = oneOrMany(values);
  return result;
}

const oneOrMany = <T>(values: readonly T[]): T | readonly T[] => (values.length === 1 ? values[0] : values);
