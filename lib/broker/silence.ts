import { ReasonCode } from '../protocol/reason-codes.js';
import type { Connection } from './connection.js';

/** Milliseconds between two looks at all connections: the grain of keep-alive and connect timeout. */
export const beatMs = 500;
/** Milliseconds that a client may be left unread before it is cut off. */
const stalledMs = 60_000;
/** How long a peer may take to close after us. */
const lingerMs = 2000;

/**
 * Once every `beatMs`: closes a connection that was silent for too long, or may not stay.
 * @param now milliseconds since the epoch
 */
export function checkSilence(connection: Connection, now: number): void {
  const { broker, client, heardAt, openedAt, entrance, isOpen, isUnread } = connection;
  const silentMs = (broker.beat - heardAt) * beatMs;
  const keepAliveMs = connection.keepAlive * 1000;
  if (!isOpen) {
    if (silentMs > lingerMs) connection.destroy();
  } else if (connection.validUntil <= now) {
    connection.disconnect(ReasonCode.MaximumConnectTime, 'the credentials have run out');
  } else if (client === undefined) {
    if ((broker.beat - openedAt) * beatMs > entrance.limits.connectTimeoutMs) connection.destroy();
  } else if (isUnread) {
    // It takes nothing, or who decides about it does not answer: nothing will change.
    if (silentMs > Math.max(keepAliveMs * 3, stalledMs)) connection.destroy();
  } else if (keepAliveMs > 0 && silentMs > keepAliveMs * 1.5) {
    // [MQTT-3.1.2-22]
    connection.disconnect(ReasonCode.KeepAliveTimeout, 'nothing was heard for one and a half times the keep-alive');
  }
}
