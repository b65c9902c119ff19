import type { QoS } from '../../protocol/packets.js';
import { PacketType } from '../../protocol/packets.js';
import { ReasonCode } from '../../protocol/reason-codes.js';
import type { Connection } from '../connection.js';
import { isRefused, type Decision } from '../decider.js';
import type { Message } from '../message.js';
import type { Session } from '../session.js';

/** A PUBLISH that was or will be decided about. */
export interface Publication {
  readonly session: Session;
  /** Undefined where it came again, and the decision on the first one counts for both. */
  readonly message: Message | undefined;
  readonly qos: QoS;
  readonly packetId: number;
  /** At QoS 2: whether its packet identifier is taken. */
  isRouted: boolean;
}

/**
 * Tells the publisher what was decided about its message, and keeps what has to be known when it comes again.
 * @returns false when it is to send again this message and what came behind it
 */
export function answer(connection: Connection, publication: Publication, outcome: Decision): boolean {
  const { session, message, qos, packetId } = publication;
  if (qos === 2 && message) session.deciding.delete(packetId);
  if (qos > 0 && outcome.isFault && connection.protocolVersion < 5 && mayTryAgain(connection, publication))
    return false;
  session.faults.delete(packetId);
  if (!isRefused(outcome)) {
    if (qos > 0) acknowledge(connection, qos, packetId, outcome.reasonCode);
    return true;
  }
  if (message && publication.isRouted && connection.protocolVersion === 5) release(session, message, packetId);
  refuse(connection, { qos, packetId }, outcome.reasonCode, outcome.reasonString);
  return true;
}

/**
 * A publisher that cannot be told of a fault is cut off unacknowledged, so that one with a session sends again; later each
 * time, and not for ever.
 */
function mayTryAgain(connection: Connection, { session, message, packetId }: Publication): boolean {
  const faults = (session.faults.get(packetId) ?? 0) + (message ? 1 : 0);
  const { maximumPublishFaults } = connection.entrance.limits;
  if (faults >= maximumPublishFaults) {
    const topic = JSON.stringify(message?.topic ?? '');
    connection.broker.log.warn(`message acknowledged though it failed topic=${topic} attempts=${faults}`);
    return false;
  }
  session.faults.set(packetId, faults);
  if (connection.isOpen) connection.destroyAfter(firstFaultMs * 2 ** (faults - 1));
  return true;
}

/** A PUBREC that refuses frees the packet identifier ([MQTT-4.3.3-9]). */
function release(session: Session, message: Message, packetId: number): void {
  if (session.received.delete(packetId) || message.publishId !== undefined) {
    session.broker.store.released(session, packetId);
  }
}

export function acknowledge(connection: Connection, qos: QoS, packetId: number, reasonCode: number): void {
  const type = qos === 1 ? PacketType.PUBACK : PacketType.PUBREC;
  if (reasonCode === 0 || connection.protocolVersion !== 5) connection.acknowledge(type, packetId);
  else acknowledgeWith(connection, type, packetId, reasonCode, undefined);
}

/** 3.1 and 3.1.1 cannot say no: the message is acknowledged and dropped ([v3: MQTT-3.3.5-2]). */
export function refuse(
  connection: Connection,
  { qos, packetId }: Pick<Publication, 'qos' | 'packetId'>,
  reasonCode: number,
  reasonString: string | undefined = reasons[reasonCode],
): void {
  connection.broker.counters.messagesRefused++;
  if (qos === 0) return;
  const type = qos === 1 ? PacketType.PUBACK : PacketType.PUBREC;
  if (connection.protocolVersion === 5) acknowledgeWith(connection, type, packetId, reasonCode, reasonString);
  else {
    if (qos === 2) connection.session!.received.add(packetId);
    connection.acknowledge(type, packetId);
  }
}

function acknowledgeWith(
  connection: Connection,
  type: 4 | 5,
  packetId: number,
  reasonCode: number,
  reasonString: string | undefined,
): void {
  // A PUBREC that refuses ends the exchange ([MQTT-4.3.3-9]), any other waits for PUBREL.
  if (type === PacketType.PUBACK || reasonCode >= 0x80) connection.unacknowledged--;
  connection.reply({ type, packetId, reasonCode, properties: reasonString ? { reasonString } : undefined });
}

const reasons: Readonly<Record<number, string>> = {
  [ReasonCode.NotAuthorized]: 'publishing to this topic is not allowed',
  [ReasonCode.QuotaExceeded]: 'there is no more room for it',
  [ReasonCode.PayloadFormatInvalid]: 'the payload is not UTF-8 as it claims to be',
};

/** Milliseconds until a publisher is cut off for the first fault; twice as long for each further one of the same message. */
const firstFaultMs = 100;
