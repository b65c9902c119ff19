import { isUtf8 } from 'node:buffer';
import { randomUUID } from 'node:crypto';
import { MqttError } from '../../protocol/mqtt-error.js';
import { PacketType, type ConnectPacket } from '../../protocol/packets.js';
import type { Properties } from '../../protocol/properties.js';
import { ReasonCode } from '../../protocol/reason-codes.js';
import { isReserved, isTopicName } from '../../topics/topic-names.js';
import type { AuthStep, Login, Verdict } from '../auth.js';
import type { Client } from '../client.js';
import type { Connection } from '../connection.js';
import type { Entrance } from '../entrance.js';
import { barredSubscriptions } from '../rights.js';
import type { Session } from '../session.js';
import type { StoredSession } from '../stored-session.js';
import { keepWill } from '../wills.js';
import { TopicAliases } from '../topic-aliases.js';
import { beginAuthentication } from './auth.js';

/** CONNECT: is it well-formed, who is it, and then `welcome`. */
export function handleConnect(connection: Connection, received: ConnectPacket): void {
  if (connection.client || connection.authentication) {
    throw new MqttError(ReasonCode.ProtocolError, 'a second CONNECT came', 'MQTT-3.1.0-2');
  }
  applyProperties(connection, received);
  connection.broker.overload.check();
  connection.entrance.admissions.check(connection.peer.remoteAddress);
  checkClientId(received);
  checkWill(connection, received);
  const { entrance, peer } = connection;
  const packet = mounted(received, entrance);
  const { clientId, username, password } = packet;
  const login: Login = { ...peer, clientId, username, password: password && Buffer.from(password) };
  if (packet.properties?.authenticationMethod !== undefined) {
    beginAuthentication(connection, packet, login, (step) => welcome(connection, packet, step));
    return;
  }
  const verdict = entrance.auth.authenticate(login);
  if (!(verdict instanceof Promise)) {
    decide(connection, packet, verdict);
    return;
  }
  connection.park(
    verdict.then((decided) => {
      if (connection.isOpen) decide(connection, packet, decided);
    }),
  );
}

/** [v3: MQTT-3.1.3-8] an empty id needs a clean session; 3.1 wants 1 to 23 characters (3.1, CONNECT). */
function checkClientId({ clientId, protocolVersion, cleanStart }: ConnectPacket): void {
  const isValid =
    protocolVersion === 5 ||
    (protocolVersion === 4 && (clientId !== '' || cleanStart)) ||
    (protocolVersion === 3 && clientId !== '' && clientId.length <= 23);
  if (!isValid) {
    throw new MqttError(ReasonCode.ClientIdentifierNotValid, 'the client identifier is not allowed', 'MQTT-3.1.3-8');
  }
}

function checkWill({ broker }: Connection, { will }: ConnectPacket): void {
  if (!will) return;
  const { maximumQoS, retainAvailable, checkPayloadFormat } = broker.capabilities;
  if (will.qos > maximumQoS) {
    throw new MqttError(ReasonCode.QoSNotSupported, 'the QoS of the will is not supported', 'MQTT-3.2.2-12');
  }
  if (!isTopicName(will.topic)) {
    throw new MqttError(ReasonCode.TopicNameInvalid, 'the will topic is not allowed', 'MQTT-4.7.3-3');
  }
  if (isReserved(will.topic)) {
    throw new MqttError(ReasonCode.NotAuthorized, "the will topic is the broker's own");
  }
  if (will.retain && !retainAvailable) {
    throw new MqttError(ReasonCode.RetainNotSupported, 'retained wills are not supported', 'MQTT-3.2.2-13');
  }
  if (checkPayloadFormat && will.properties?.payloadFormatIndicator === 1 && !isUtf8(will.payload)) {
    throw new MqttError(ReasonCode.PayloadFormatInvalid, 'the will is not UTF-8 as it claims to be');
  }
}

/**
 * With a will as it is to be published, behind the mount point of the listener.
 * @throws MqttError TopicNameInvalid
 */
function mounted(packet: ConnectPacket, entrance: Entrance): ConnectPacket {
  const { will } = packet;
  if (!will || entrance.mountPoint === '') return packet;
  const topic = entrance.mountedTopic(will.topic, 'will topic');
  return { ...packet, will: { ...will, topic, properties: entrance.mountedProperties(will.properties) } };
}

function applyProperties(connection: Connection, { protocolVersion, properties }: ConnectPacket): void {
  if (protocolVersion !== 5) return;
  // [MQTT-3.3.4-9]
  const { maximumInFlight, sentTopicAliases } = connection.entrance.limits;
  connection.receiveMaximum = Math.min(properties?.receiveMaximum ?? 65_535, maximumInFlight);
  connection.maximumPacketSize = properties?.maximumPacketSize ?? Infinity;
  connection.wantsProblemInformation = properties?.requestProblemInformation ?? true;
  // [MQTT-3.1.2-26] [MQTT-3.1.2-27]
  const aliases = Math.min(properties?.topicAliasMaximum ?? 0, sentTopicAliases);
  if (aliases > 0) connection.sentAliases = new TopicAliases(aliases);
}

function decide(connection: Connection, packet: ConnectPacket, verdict: Verdict): void {
  if (verdict === true || verdict === ReasonCode.Success || typeof verdict === 'object') {
    welcome(connection, packet, { type: 'success', ...(typeof verdict === 'object' && verdict) });
    return;
  }
  // [MQTT-3.1.4-2]
  throw new MqttError(verdict || ReasonCode.BadUserNameOrPassword, 'the login was refused', 'MQTT-3.1.4-2');
}

type Success = Extract<AuthStep, { type: 'success' }>;

/** The client is who it says; the application may have something against it. */
function welcome(connection: Connection, packet: ConnectPacket, step: Success): void {
  const client = clientOf(connection, packet, step);
  const asked = connection.broker.reception?.connect(client);
  if (!asked) {
    enter(connection, packet, step, client);
    return;
  }
  connection.park(
    asked.then((refusal) => {
      if (!connection.isOpen) return;
      if (refusal)
        throw new MqttError(refusal.reasonCode, refusal.reasonString ?? 'the application refused the client');
      enter(connection, packet, step, client);
    }),
  );
}

/** Where there are other nodes, they are told that the client is here now. */
function enter(connection: Connection, packet: ConnectPacket, step: Success, client: Client): void {
  const claimed = claimFromNodes(connection, packet, client);
  const goOn = (claim: NodesClaim) => reauthorize(connection, packet, step, client, claim);
  const entered = claimed ? claimed.then(goOn) : goOn(onlyHere);
  if (entered) connection.park(entered);
}

/** What the client may have subscribed to may have changed while it was away; a promise where that is known later. */
function reauthorize(
  connection: Connection,
  packet: ConnectPacket,
  step: Success,
  client: Client,
  claim: NodesClaim,
): Promise<void> | undefined {
  const { sessions } = connection.broker;
  const { auth } = connection.entrance;
  const { stored } = claim;
  const goOn = (barred: readonly string[]): void => {
    if (connection.isOpen) letIn(connection, packet, step, client, claim, barred);
    // Nobody has got to know of this session yet.
    else stored?.release('discarded');
  };
  const giveUp = (error: unknown): never => {
    stored?.release('discarded');
    throw error;
  };
  const held = packet.cleanStart ? undefined : (stored ?? sessions.get(client.clientId))?.subscriptions;
  let barred: ReturnType<typeof barredSubscriptions> = [];
  try {
    if (held && connection.isOpen) barred = barredSubscriptions(auth, client, held);
  } catch (error) {
    giveUp(error);
  }
  if (barred instanceof Promise) return barred.then(goOn, giveUp);
  goOn(barred);
  return undefined;
}

function clientOf({ broker, entrance, peer }: Connection, packet: ConnectPacket, step: Success): Client {
  const { listener, remoteAddress, remotePort, tls, certificateName } = peer;
  const { protocolVersion, cleanStart } = packet;
  const { claims, validUntil } = step;
  // Every name written out: what is spread has a hidden class for each client, which is 360 bytes.
  return {
    listener,
    remoteAddress,
    remotePort,
    tls,
    certificateName,
    // [MQTT-3.1.3-6] [MQTT-3.2.2-16]
    clientId: packet.clientId || randomUUID(),
    username: step.username ?? packet.username,
    protocolVersion,
    cleanStart,
    keepAlive: grantedKeepAlive(packet.keepAlive, entrance.limits.maximumKeepAlive),
    connectedAt: new Date(broker.clock.now()),
    claims,
    validUntil,
  };
}

/** What a client's connection is among those on all nodes. */
interface NodesClaim {
  readonly generation: number;
  readonly stored: StoredSession | undefined;
}

const onlyHere: NodesClaim = { generation: 0, stored: undefined };

/** Makes this node the one that has the client and its session; undefined where there is no other node. */
function claimFromNodes(
  { broker, entrance, receiveMaximum }: Connection,
  packet: ConnectPacket,
  client: Client,
): Promise<NodesClaim> | undefined {
  const { router, store } = broker;
  const { clientId } = client;
  const expiryInterval = grantedExpiry(entrance, packet);
  // A client without an id cannot be anywhere else, and nothing of it is to be kept.
  if (packet.clientId === '' && expiryInterval === 0 && !packet.will) return undefined;
  // What the older connection here has to say comes before the claim.
  broker.sessions.get(clientId)?.connection?.disconnect(ReasonCode.SessionTakenOver, 'the client connected again');
  // Kept: it lies in the received chunk.
  const will = packet.will && keepWill(packet.will);
  let claimed: StoredSession | undefined;
  const claim = router.claim(clientId, async (generation) => {
    claimed = await store.claim({ client, generation, expiryInterval, will, receiveMaximum });
    return { generation, stored: claimed };
  });
  if (claim) {
    return claim.catch((error: unknown) => {
      claimed?.release('discarded');
      throw error;
    });
  }
  const stored = store.claim({ client, generation: 0, expiryInterval, will, receiveMaximum });
  return stored?.then((session) => ({ generation: 0, stored: session }));
}

/** Its session is claimed, CONNACK is queued, and what waited for it follows. */
function letIn(
  connection: Connection,
  packet: ConnectPacket,
  step: Success,
  client: Client,
  { generation, stored }: NodesClaim,
  barred: readonly string[],
): void {
  const { broker, entrance } = connection;
  const { protocolVersion, cleanStart, will } = packet;
  const { session, isPresent } = broker.sessions.claim(client.clientId, cleanStart, stored);
  session.generation = generation;
  session.revoke(barred);
  session.expiryInterval = grantedExpiry(entrance, packet);
  connection.accept(client, session);
  broker.wills.returned(session);
  if (will) broker.wills.leave(session, will, client);
  session.attach(connection);
  broker.store.saveSession(session);
  connection.reply({
    type: PacketType.CONNACK,
    // [MQTT-3.2.2-2] [MQTT-3.2.2-3]; 3.1 has no such flag
    sessionPresent: isPresent && protocolVersion > 3,
    reasonCode: ReasonCode.Success,
    properties: protocolVersion === 5 ? connackProperties(connection, packet, step) : undefined,
  });
  broker.connected(connection);
  // Who hears of it may send it away.
  if (session.connection === connection) session.resume();
}

/** Seconds. */
const grantedExpiry = ({ limits }: Entrance, packet: ConnectPacket): number =>
  Math.min(requestedExpiry(packet), limits.maximumSessionExpiry);

const grantedKeepAlive = (requested: number, maximum: number) =>
  maximum > 0 && (requested === 0 || requested > maximum) ? maximum : requested;

/** Seconds; Clean Session 0 of 3.1 and 3.1.1 asks for a session without end. */
function requestedExpiry({ protocolVersion, cleanStart, properties }: ConnectPacket): number {
  if (protocolVersion === 5) return properties?.sessionExpiryInterval ?? 0;
  return cleanStart ? 0 : 0xffff_ffff;
}

/** What the client must know because it differs from what it asked for or from the standard's default. */
function connackProperties(
  { broker, entrance, client, session, authentication }: Connection,
  packet: ConnectPacket,
  { data }: Success,
): Properties {
  const { capabilities } = broker;
  const { limits } = entrance;
  const { keepAlive, clientId } = client!;
  const { expiryInterval } = session as Session;
  const asked = packet.properties?.sessionExpiryInterval ?? 0;
  const { responseInformation } = capabilities;
  return {
    ...(expiryInterval !== asked && { sessionExpiryInterval: expiryInterval }),
    // [MQTT-3.1.3-7]
    ...(packet.clientId === '' && { assignedClientIdentifier: clientId }),
    ...(keepAlive !== packet.keepAlive && { serverKeepAlive: keepAlive }),
    // [MQTT-4.12.0-5] [MQTT-4.12.0-6]
    ...(authentication && { authenticationMethod: authentication.method }),
    ...(data && { authenticationData: data }),
    // [MQTT-3.1.2-28]
    ...(packet.properties?.requestResponseInformation && responseInformation !== undefined && { responseInformation }),
    ...(limits.receiveMaximum < 65_535 && { receiveMaximum: limits.receiveMaximum }),
    ...(limits.topicAliasMaximum > 0 && { topicAliasMaximum: limits.topicAliasMaximum }),
    maximumPacketSize: limits.maximumPacketSize,
    // [MQTT-3.2.2-9]
    ...(capabilities.maximumQoS < 2 && { maximumQoS: capabilities.maximumQoS }),
    ...(!capabilities.retainAvailable && { retainAvailable: false }),
    ...(!capabilities.wildcardSubscriptionAvailable && { wildcardSubscriptionAvailable: false }),
    ...(!capabilities.subscriptionIdentifiersAvailable && { subscriptionIdentifiersAvailable: false }),
    ...(!capabilities.sharedSubscriptionAvailable && { sharedSubscriptionAvailable: false }),
  };
}
