import { randomUUID } from 'node:crypto';
import { MqttError } from '../../protocol/mqtt-error.js';
import { PacketType, type ConnectPacket } from '../../protocol/packets.js';
import type { Properties } from '../../protocol/properties.js';
import { ReasonCode } from '../../protocol/reason-codes.js';
import type { Verdict } from '../auth.js';
import type { Client } from '../client.js';
import type { Connection } from '../connection.js';
import type { Session } from '../session.js';

/** CONNECT: who is it, may it, which session is it to have. */
export function handleConnect(connection: Connection, packet: ConnectPacket): void {
  if (connection.client) {
    throw new MqttError(ReasonCode.ProtocolError, 'a second CONNECT came', 'MQTT-3.1.0-2');
  }
  checkClientId(packet);
  const { broker, peer } = connection;
  const { clientId, username, password } = packet;
  const verdict = broker.auth.authenticate({ ...peer, clientId, username, password });
  if (!(verdict instanceof Promise)) {
    welcome(connection, packet, verdict);
    return;
  }
  connection.park(
    verdict.then((decided) => {
      if (connection.isOpen) welcome(connection, packet, decided);
    }),
  );
}

/** [v3: MQTT-3.1.3-8] an empty id needs a clean session; 3.1 wants 1 to 23 characters (3.1, 3.1). */
function checkClientId({ clientId, protocolVersion, cleanStart }: ConnectPacket): void {
  const isValid =
    protocolVersion === 5 ||
    (protocolVersion === 4 && (clientId !== '' || cleanStart)) ||
    (protocolVersion === 3 && clientId !== '' && clientId.length <= 23);
  if (!isValid) {
    throw new MqttError(ReasonCode.ClientIdentifierNotValid, 'the client identifier is not allowed', 'MQTT-3.1.3-8');
  }
}

function welcome(connection: Connection, packet: ConnectPacket, verdict: Verdict): void {
  const { broker, peer } = connection;
  const reasonCode = verdict === true ? ReasonCode.Success : verdict || ReasonCode.BadUserNameOrPassword;
  if (verdict !== 0 && reasonCode !== ReasonCode.Success) {
    // [MQTT-3.1.4-2]
    throw new MqttError(reasonCode, 'the login was refused', 'MQTT-3.1.4-2');
  }
  const { protocolVersion, cleanStart, username } = packet;
  // [MQTT-3.1.3-6] [MQTT-3.2.2-16]
  const clientId = packet.clientId || randomUUID();
  const keepAlive = grantedKeepAlive(packet.keepAlive, broker.limits.maximumKeepAlive);
  const connectedAt = new Date(broker.clock.now());
  const client: Client = { ...peer, clientId, username, protocolVersion, cleanStart, keepAlive, connectedAt };
  const expiryInterval = Math.min(requestedExpiry(packet), broker.limits.maximumSessionExpiry);
  const { session, isPresent } = broker.claim(clientId, cleanStart);
  session.expiryInterval = expiryInterval;
  broker.store.saveSession(session);
  connection.accept(client, session);
  applyProperties(connection, packet.properties);
  broker.wills.discard(session);
  if (packet.will) broker.wills.store(session, packet.will, client);
  session.attach(connection);
  connection.reply({
    type: PacketType.CONNACK,
    // [MQTT-3.2.2-2] [MQTT-3.2.2-3]; 3.1 has no such flag
    sessionPresent: isPresent && protocolVersion > 3,
    reasonCode: ReasonCode.Success,
    properties: protocolVersion === 5 ? connackProperties(packet, client, session) : undefined,
  });
  broker.connected(connection);
  session.resume();
}

const grantedKeepAlive = (requested: number, maximum: number) =>
  maximum > 0 && (requested === 0 || requested > maximum) ? maximum : requested;

/** Seconds; Clean Session 0 of 3.1 and 3.1.1 asks for a session without end. */
function requestedExpiry({ protocolVersion, cleanStart, properties }: ConnectPacket): number {
  if (protocolVersion === 5) return properties?.sessionExpiryInterval ?? 0;
  return cleanStart ? 0 : 0xffff_ffff;
}

function applyProperties(connection: Connection, properties: Properties | undefined): void {
  if (connection.protocolVersion !== 5) return;
  // [MQTT-3.3.4-9]; absent means 65,535
  connection.receiveMaximum = properties?.receiveMaximum ?? 65_535;
  connection.maximumPacketSize = properties?.maximumPacketSize ?? Infinity;
  connection.wantsProblemInformation = properties?.requestProblemInformation ?? true;
}

/** What the client must know because it differs from what it asked for or from the standard's default. */
function connackProperties(packet: ConnectPacket, client: Client, session: Session): Properties | undefined {
  const { limits } = session.broker;
  const asked = packet.properties?.sessionExpiryInterval ?? 0;
  return {
    ...(session.expiryInterval !== asked && { sessionExpiryInterval: session.expiryInterval }),
    // [MQTT-3.1.3-7]
    ...(packet.clientId === '' && { assignedClientIdentifier: client.clientId }),
    ...(client.keepAlive !== packet.keepAlive && { serverKeepAlive: client.keepAlive }),
    ...(limits.receiveMaximum < 65_535 && { receiveMaximum: limits.receiveMaximum }),
    ...(limits.topicAliasMaximum > 0 && { topicAliasMaximum: limits.topicAliasMaximum }),
    maximumPacketSize: limits.maximumPacketSize,
  };
}
