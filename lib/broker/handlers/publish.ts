import { isUtf8 } from 'node:buffer';
import { MqttError } from '../../protocol/mqtt-error.js';
import type { ReceivedPublish } from '../../protocol/received-publish.js';
import { PacketType } from '../../protocol/packets.js';
import { ReasonCode } from '../../protocol/reason-codes.js';
import { isReserved } from '../../topics/topic-names.js';
import type { Capabilities } from '../capabilities.js';
import type { Connection } from '../connection.js';
import { Message } from '../message.js';
import type { StoredSession } from '../stored-session.js';

/** Hop 3 of a message: alias, topic, quota, authorization, then on to the broker. */
export function handlePublish(connection: Connection, packet: ReceivedPublish): void {
  const { broker } = connection;
  const client = connection.client!;
  broker.counters.messagesReceived++;
  checkCapabilities(broker.capabilities, packet);
  // [MQTT-3.3.4-6]
  if (packet.properties?.subscriptionIdentifiers) {
    throw new MqttError(ReasonCode.ProtocolError, 'a client sent a subscription identifier', 'MQTT-3.3.4-6');
  }
  const topic = resolveAlias(connection, packet);
  if (packet.qos !== 0 && !admit(connection, packet)) return;
  if (isReserved(topic)) {
    refuse(connection, packet, ReasonCode.NotAuthorized);
    return;
  }
  if (packet.properties && !isFormatValid(broker.capabilities, packet)) {
    refuse(connection, packet, ReasonCode.PayloadFormatInvalid);
    return;
  }
  const verdict = broker.auth.mayPublish(client, topic);
  if (verdict === true) publish(connection, packet, topic);
  else if (verdict === false) refuse(connection, packet, ReasonCode.NotAuthorized);
  else {
    connection.park(
      verdict.then((isAllowed) => {
        if (!connection.isOpen) return;
        if (isAllowed) publish(connection, packet, topic);
        else refuse(connection, packet, ReasonCode.NotAuthorized);
      }),
    );
  }
}

/** What was said in CONNACK holds: more than it is a protocol error (3.2.2.3.4, 3.2.2.3.5). */
function checkCapabilities({ maximumQoS, retainAvailable }: Capabilities, { qos, retain }: ReceivedPublish): void {
  if (qos > maximumQoS) {
    throw new MqttError(
      ReasonCode.QoSNotSupported,
      `QoS ${qos} is above the maximum of ${maximumQoS}`,
      'MQTT-3.2.2-11',
    );
  }
  if (retain && !retainAvailable) {
    throw new MqttError(ReasonCode.RetainNotSupported, 'retained messages are not available', 'MQTT-3.2.2-14');
  }
}

const isFormatValid = ({ checkPayloadFormat }: Capabilities, { properties, payload }: ReceivedPublish): boolean =>
  !checkPayloadFormat || properties?.payloadFormatIndicator !== 1 || isUtf8(payload);

/** The topic name, by its alias where the packet leaves it out. */
function resolveAlias(connection: Connection, { topic, properties }: ReceivedPublish): string {
  const alias = properties?.topicAlias;
  if (alias === undefined) return topic;
  // [MQTT-3.3.2-8] [MQTT-3.3.2-9]
  if (alias === 0 || alias > connection.broker.limits.topicAliasMaximum) {
    throw new MqttError(ReasonCode.TopicAliasInvalid, `topic alias ${alias} is out of range`, 'MQTT-3.3.2-9');
  }
  const { receivedAliases } = connection;
  if (topic !== '') {
    receivedAliases[alias] = topic;
    return topic;
  }
  const known = receivedAliases[alias];
  if (known === undefined) throw new MqttError(ReasonCode.ProtocolError, `topic alias ${alias} was never set`);
  return known;
}

/** Quota and duplicates at QoS 1 and 2; false when the message is here already. */
function admit(connection: Connection, { qos, packetId }: ReceivedPublish): boolean {
  const session = connection.session!;
  if (qos === 2 && session.received.has(packetId)) {
    // [MQTT-4.3.3-10]
    connection.acknowledge(PacketType.PUBREC, packetId);
    return false;
  }
  // [MQTT-3.3.4-7]
  if (++connection.unacknowledged > connection.broker.limits.receiveMaximum && connection.protocolVersion === 5) {
    throw new MqttError(ReasonCode.ReceiveMaximumExceeded, 'more messages in flight than allowed', 'MQTT-3.3.4-7');
  }
  return true;
}

function publish(connection: Connection, packet: ReceivedPublish, topic: string): void {
  // Only an expiry interval asks for the time.
  const now = packet.properties ? connection.broker.clock.now() : 0;
  const message = Message.received(packet, topic, connection.client!, now);
  const { stored } = connection.session!;
  if (packet.qos === 2 && stored?.isDurable) void routeOnce(connection, message.keep(), packet.packetId, stored);
  else route(connection, message, packet.packetId);
}

/** A QoS 2 message that may come again on another node: it is recorded under a name before anybody gets it. */
async function routeOnce(
  connection: Connection,
  message: Message,
  packetId: number,
  stored: StoredSession,
): Promise<void> {
  connection.owe();
  try {
    message.publishId = await stored.admit(packetId);
  } catch (error) {
    connection.broker.log.debug(`not recorded, so not acknowledged id=${connection.describe()}: ${String(error)}`);
    connection.destroy();
    return;
  } finally {
    connection.answered();
  }
  // Not acknowledged, so the client sends it again; where this node was stopped meanwhile, it may have done so elsewhere.
  if (connection.isOpen && stored.isCurrent) route(connection, message, packetId);
}

function route(connection: Connection, message: Message, packetId: number): void {
  const { broker } = connection;
  const { qos } = message;
  const reasonCode = broker.publish(message);
  if (qos === 0) return;
  if (reasonCode >= 0x80) {
    if (message.publishId !== undefined) broker.store.released(connection.session!, packetId);
    refuse(connection, { qos, packetId }, reasonCode);
    return;
  }
  if (qos === 2) {
    connection.session!.received.add(packetId);
    broker.store.received(connection.session!, packetId);
  }
  const type = qos === 1 ? PacketType.PUBACK : PacketType.PUBREC;
  if (reasonCode === 0 || connection.protocolVersion !== 5) connection.acknowledge(type, packetId);
  else acknowledgeWith(connection, type, packetId, reasonCode);
}

/** 3.1 and 3.1.1 cannot say no: the message is acknowledged and dropped ([v3: MQTT-3.3.5-2]). */
function refuse(
  connection: Connection,
  { qos, packetId }: Pick<ReceivedPublish, 'qos' | 'packetId'>,
  reasonCode: number,
): void {
  connection.broker.counters.messagesRefused++;
  if (qos === 0) return;
  const type = qos === 1 ? PacketType.PUBACK : PacketType.PUBREC;
  if (connection.protocolVersion === 5) acknowledgeWith(connection, type, packetId, reasonCode);
  else {
    if (qos === 2) connection.session!.received.add(packetId);
    connection.acknowledge(type, packetId);
  }
}

function acknowledgeWith(connection: Connection, type: 4 | 5, packetId: number, reasonCode: number): void {
  // A PUBREC that refuses ends the exchange ([MQTT-4.3.3-9]), any other waits for PUBREL.
  if (type === PacketType.PUBACK || reasonCode >= 0x80) connection.unacknowledged--;
  const reasonString = reasons[reasonCode];
  connection.reply({ type, packetId, reasonCode, properties: reasonString ? { reasonString } : undefined });
}

const reasons: Readonly<Record<number, string>> = {
  [ReasonCode.NotAuthorized]: 'publishing to this topic is not allowed',
  [ReasonCode.QuotaExceeded]: 'no more messages can be retained',
  [ReasonCode.PayloadFormatInvalid]: 'the payload is not UTF-8 as it claims to be',
};
