import type { Properties } from '../protocol/properties.js';
import type { Connection } from './connection.js';
import type { Frame, Message } from './message.js';

/**
 * The bytes of a PUBLISH for one client; undefined when they are more than it takes, or more than any packet holds.
 *
 * Mostly the frame that all of its version get; a frame of its own where it has a topic alias, a Subscription Identifier, or a
 * mount point.
 */
export function frameFor(
  connection: Connection,
  message: Message,
  isIdentified: boolean,
  identifiers: readonly number[] | undefined,
): Frame | undefined {
  try {
    const frame = anyFrame(connection, message, isIdentified, identifiers);
    // [MQTT-3.1.2-24] [MQTT-3.1.2-25]
    return frame.end - frame.start > connection.maximumPacketSize ? undefined : frame;
  } catch (error) {
    // What comes in is checked for this; should it get here all the same, no subscriber is to pay for it.
    connection.broker.log.error(`no packet holds the message topic=${JSON.stringify(message.topic)}`, error);
    return undefined;
  }
}

function anyFrame(
  connection: Connection,
  message: Message,
  isIdentified: boolean,
  identifiers: readonly number[] | undefined,
): Frame {
  const { protocolVersion, sentAliases, entrance } = connection;
  return entrance.mountPoint !== '' ||
    (protocolVersion === 5 && (identifiers || sentAliases || message.expiresAt !== Infinity))
    ? ownFrame(connection, message, isIdentified, identifiers)
    : message.frame(protocolVersion, isIdentified);
}

function ownFrame(
  connection: Connection,
  message: Message,
  isIdentified: boolean,
  identifiers: readonly number[] | undefined,
): Frame {
  const { protocolVersion: version, sentAliases, entrance, maximumPacketSize, broker } = connection;
  const { mountPoint } = entrance;
  const now = broker.clock.now();
  const topic = message.topic.slice(mountPoint.length);
  // [MQTT-3.3.4-3] [MQTT-3.3.4-4]
  const own: Properties = {
    ...(identifiers && { subscriptionIdentifiers: identifiers }),
    ...(mountPoint !== '' && unmounted(message, mountPoint)),
  };
  const known = sentAliases?.known(topic);
  if (known !== undefined) return message.ownFrame(version, isIdentified, '', { ...own, topicAlias: known }, now);
  // Only what is sent for sure may set an alias: the bytes for it are left free.
  const plain = message.ownFrame(version, isIdentified, topic, own, now);
  if (plain.end - plain.start + aliasBytes > maximumPacketSize) return plain;
  const alias = sentAliases?.assign(topic);
  if (alias === undefined) return plain;
  return message.ownFrame(version, isIdentified, topic, { ...own, topicAlias: alias }, now);
}

/** What does not stand below the mount point cannot be answered from there. */
function unmounted({ properties }: Message, mountPoint: string): Properties {
  const responseTopic = properties?.responseTopic;
  if (responseTopic === undefined) return {};
  return { responseTopic: responseTopic.startsWith(mountPoint) ? responseTopic.slice(mountPoint.length) : undefined };
}

/** Topic Alias, and the Property Length and Remaining Length that may grow by it. */
const aliasBytes = 5;
