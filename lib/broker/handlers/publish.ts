import { isUtf8 } from 'node:buffer';
import { MqttError } from '../../protocol/mqtt-error.js';
import type { ReceivedPublish } from '../../protocol/received-publish.js';
import { ReasonCode } from '../../protocol/reason-codes.js';
import { isReserved } from '../../topics/topic-names.js';
import type { Capabilities } from '../capabilities.js';
import type { Connection } from '../connection.js';
import { refusalOf } from '../decider.js';
import { recorderOf } from '../inlet.js';
import { Message } from '../message.js';
import type { Subscriber } from '../router.js';
import type { Match } from '../../topics/match.js';
import { acknowledge, answer as answerPublication, refuse } from './publish-answers.js';

/** Hop 3 of a message: alias, topic, quota, authorization, then on to the broker. */
export function handlePublish(connection: Connection, packet: ReceivedPublish): void {
  const { broker, entrance } = connection;
  const client = connection.client!;
  broker.counters.messagesReceived++;
  checkCapabilities(broker.capabilities, packet);
  // [MQTT-3.3.4-6]
  if (packet.properties?.subscriptionIdentifiers) {
    throw new MqttError(ReasonCode.ProtocolError, 'a client sent a subscription identifier', 'MQTT-3.3.4-6');
  }
  const topic = entrance.mountedTopic(resolveAlias(connection, packet));
  if (packet.qos !== 0 && !admit(connection, packet)) return;
  if (isReserved(topic)) {
    answer(connection, packet, ReasonCode.NotAuthorized);
    return;
  }
  if (packet.properties && !isFormatValid(broker.capabilities, packet)) {
    answer(connection, packet, ReasonCode.PayloadFormatInvalid);
    return;
  }
  const verdict = entrance.auth.mayPublish(client, topic);
  if (verdict === true) publish(connection, packet, topic);
  else if (verdict === false) answer(connection, packet, ReasonCode.NotAuthorized);
  else {
    connection.park(
      verdict.then((isAllowed) => {
        if (!connection.isOpen) return;
        if (isAllowed) publish(connection, packet, topic);
        else answer(connection, packet, ReasonCode.NotAuthorized);
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
  if (alias === 0 || alias > connection.entrance.limits.topicAliasMaximum) {
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
function admit(connection: Connection, packet: ReceivedPublish): boolean {
  const { qos, packetId } = packet;
  const session = connection.session!;
  const isDecided = qos === 2 && session.received.has(packetId) && !session.faults.has(packetId);
  if (isDecided && !session.deciding.has(packetId)) {
    // [MQTT-4.3.3-10]
    answer(connection, packet, ReasonCode.Success);
    return false;
  }
  // [MQTT-3.3.4-7]
  if (++connection.unacknowledged > connection.entrance.limits.receiveMaximum && connection.protocolVersion === 5) {
    throw new MqttError(ReasonCode.ReceiveMaximumExceeded, 'more messages in flight than allowed', 'MQTT-3.3.4-7');
  }
  const deciding = qos === 2 ? session.deciding.get(packetId) : undefined;
  if (deciding) connection.inlet.join(packet, deciding);
  return deciding === undefined;
}

/** Nobody is to decide any more: in its turn. */
function answer(connection: Connection, packet: ReceivedPublish, reasonCode: number): void {
  if (!connection.inlet.isEmpty) connection.inlet.settle(packet, { reasonCode });
  else if (reasonCode >= 0x80) refuse(connection, packet, reasonCode);
  else acknowledge(connection, packet.qos, packet.packetId, reasonCode);
}

function publish(connection: Connection, packet: ReceivedPublish, topic: string): void {
  const { broker, inlet, entrance } = connection;
  const session = connection.session!;
  // Only an expiry interval asks for the time.
  const now = packet.properties ? broker.clock.now() : 0;
  const properties = entrance.mountedProperties(packet.properties);
  const message = Message.received(packet, topic, properties, connection.client!, now);
  // An alias or a mount point makes it another topic than the packet's.
  const match = broker.topics.match(topic, topic === packet.topic ? packet.topicHash : 0);
  const mayWait = match.gates ?? match.acks ?? recorderOf(session, packet.qos);
  if (packet.qos === 2 && session.received.has(packet.packetId)) inlet.addRouted(message.keep(), packet, match);
  else if (mayWait || !inlet.isEmpty) inlet.add(message.keep(), packet, match);
  else route(connection, message, packet.packetId, match);
}

function route(connection: Connection, message: Message, packetId: number, match: Match<Subscriber>): void {
  const { broker } = connection;
  const { qos } = message;
  const reasonCode = broker.publish(message, match);
  if (qos === 0) return;
  if (reasonCode >= 0x80) {
    const publication = { session: connection.session!, message, qos, packetId, isRouted: false };
    answerPublication(connection, publication, refusalOf(broker, reasonCode));
    return;
  }
  if (qos === 2) connection.session!.receive(packetId, connection.client);
  acknowledge(connection, qos, packetId, reasonCode);
}
