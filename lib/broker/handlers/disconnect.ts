import { MqttError } from '../../protocol/mqtt-error.js';
import type { DisconnectPacket } from '../../protocol/packets.js';
import { ReasonCode } from '../../protocol/reason-codes.js';
import type { Connection } from '../connection.js';

/** The client leaves on purpose. */
export function handleDisconnect(connection: Connection, { reasonCode, properties }: DisconnectPacket): void {
  const { broker, session } = connection;
  if (!session) {
    // During the login there is nothing to leave.
    connection.close();
    return;
  }
  const expiry = properties?.sessionExpiryInterval;
  if (expiry !== undefined) {
    // MQTT 5, 3.14.2.2.2: what ends with the connection cannot be made to outlive it
    if (session.expiryInterval === 0 && expiry > 0) {
      throw new MqttError(ReasonCode.ProtocolError, 'a DISCONNECT revives a session that has no expiry interval');
    }
    session.expiryInterval = Math.min(expiry, connection.entrance.limits.maximumSessionExpiry);
    broker.store.saveSession(session);
  }
  // [MQTT-3.14.4-3] any other code asks for the will
  if (reasonCode === ReasonCode.NormalDisconnection) broker.wills.discard(session);
  connection.close({ by: 'client', reasonCode });
}
