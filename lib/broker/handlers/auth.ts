import { MqttError } from '../../protocol/mqtt-error.js';
import { PacketType, type AuthPacket, type ConnectPacket } from '../../protocol/packets.js';
import { ReasonCode } from '../../protocol/reason-codes.js';
import type { AuthExchange, AuthStep, Login } from '../auth.js';
import type { Connection } from '../connection.js';

/** The enhanced authentication of a connection (MQTT 5, 4.12): what its CONNECT named, and the exchange under way. */
export interface Authentication {
  readonly method: string;
  /** Without the password once the login is done. */
  login: Login;
  exchange: AuthExchange | undefined;
  /** What success leads to: the rest of CONNECT, or an AUTH that says so. */
  onSuccess(step: Extract<AuthStep, { type: 'success' }>): void;
}

/** A CONNECT names an Authentication Method: CONNACK follows when the exchange is done. */
export function beginAuthentication(
  connection: Connection,
  { properties }: ConnectPacket,
  login: Login,
  onSuccess: Authentication['onSuccess'],
): void {
  const method = properties!.authenticationMethod!;
  const exchange = connection.entrance.auth.exchange(method, login);
  // [MQTT-4.12.0-1]
  if (!exchange) {
    throw new MqttError(
      ReasonCode.BadAuthenticationMethod,
      'the authentication method is not offered',
      'MQTT-4.12.0-1',
    );
  }
  connection.authentication = { method, login, exchange, onSuccess };
  advance(connection, copied(properties!.authenticationData));
}

/** AUTH: the client's part of an exchange, or the wish to start one again. */
export function handleAuth(connection: Connection, { reasonCode, properties }: AuthPacket): void {
  const { authentication, entrance } = connection;
  // [MQTT-4.12.0-7]
  if (!authentication) throw protocolError('an AUTH came without an authentication method in CONNECT', '4.12.0-7');
  // [MQTT-4.12.0-5] [MQTT-4.12.1-1]
  if (properties?.authenticationMethod !== authentication.method) {
    throw protocolError('an AUTH names another authentication method than CONNECT', '4.12.0-5');
  }
  if (reasonCode === ReasonCode.ReAuthenticate) {
    if (!connection.client || authentication.exchange) throw protocolError('an AUTH starts over too early', '4.12.1-1');
    authentication.exchange = entrance.auth.exchange(authentication.method, authentication.login);
    if (!authentication.exchange) {
      // [MQTT-4.12.1-2]
      throw new MqttError(ReasonCode.NotAuthorized, 'the authentication method is not offered', 'MQTT-4.12.1-2');
    }
    authentication.onSuccess = (step) => sendAuth(connection, ReasonCode.Success, step.data);
  } else if (reasonCode !== ReasonCode.ContinueAuthentication || !authentication.exchange) {
    // [MQTT-4.12.0-3]
    throw protocolError('an AUTH continues nothing', '4.12.0-3');
  }
  advance(connection, copied(properties.authenticationData));
}

function advance(connection: Connection, data: Buffer | undefined): void {
  const step = connection.authentication!.exchange!.step(data);
  if (!(step instanceof Promise)) {
    apply(connection, step);
    return;
  }
  connection.park(
    step.then((decided) => {
      if (connection.isOpen) apply(connection, decided);
    }),
  );
}

function apply(connection: Connection, step: AuthStep): void {
  const authentication = connection.authentication!;
  switch (step.type) {
    case 'continue':
      // [MQTT-4.12.0-2]
      sendAuth(connection, ReasonCode.ContinueAuthentication, step.data);
      return;
    case 'success':
      authentication.exchange = undefined;
      authentication.login = { ...authentication.login, password: undefined };
      authentication.onSuccess(step);
      // Not kept: it holds on to the CONNECT.
      authentication.onSuccess = () => {};
      return;
    case 'failure':
      // [MQTT-4.12.0-4] [MQTT-4.12.1-2]
      throw new MqttError(step.reasonCode ?? ReasonCode.NotAuthorized, 'the authentication failed', 'MQTT-4.12.0-4');
  }
}

function sendAuth(connection: Connection, reasonCode: number, data: Buffer | undefined): void {
  const authenticationMethod = connection.authentication!.method;
  const properties = { authenticationMethod, ...(data && { authenticationData: data }) };
  connection.reply({ type: PacketType.AUTH, reasonCode, properties });
}

/** The exchange may keep what it gets; the bytes lie in the received chunk. */
const copied = (data: Buffer | undefined) => data && Buffer.from(data);

const protocolError = (message: string, rule: string) =>
  new MqttError(ReasonCode.ProtocolError, message, `MQTT-${rule}`);
