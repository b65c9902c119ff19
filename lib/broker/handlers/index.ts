import { MqttError } from '../../protocol/mqtt-error.js';
import { PacketType, packetName, type Packet } from '../../protocol/packets.js';
import type { ReceivedPublish } from '../../protocol/received-publish.js';
import { ReasonCode } from '../../protocol/reason-codes.js';
import type { Connection } from '../connection.js';
import { handlePuback, handlePubcomp, handlePubrec, handlePubrel } from './acknowledge.js';
import { handleAuth } from './auth.js';
import { handleConnect } from './connect.js';
import { handleDisconnect } from './disconnect.js';
import { handlePublish } from './publish.js';
import { handleSubscribe } from './subscribe.js';
import { handleUnsubscribe } from './unsubscribe.js';

/** Hands a packet to the one function that knows its type, the most frequent first. */
export function handlePacket(connection: Connection, packet: Packet): void {
  if (connection.client === undefined && !belongsToLogin(packet.type)) {
    throw new MqttError(ReasonCode.ProtocolError, `${packetName(packet.type)} came during the login`, 'MQTT-3.1.2-30');
  }
  switch (packet.type) {
    case PacketType.PUBLISH:
      handlePublish(connection, packet as ReceivedPublish);
      return;
    case PacketType.PUBACK:
      handlePuback(connection, packet);
      return;
    case PacketType.PUBREC:
      handlePubrec(connection, packet);
      return;
    case PacketType.PUBREL:
      handlePubrel(connection, packet);
      return;
    case PacketType.PUBCOMP:
      handlePubcomp(connection, packet);
      return;
    case PacketType.PINGREQ:
      // [MQTT-3.12.4-1]
      connection.reply({ type: PacketType.PINGRESP });
      return;
    case PacketType.SUBSCRIBE:
      handleSubscribe(connection, packet);
      return;
    case PacketType.UNSUBSCRIBE:
      handleUnsubscribe(connection, packet);
      return;
    case PacketType.CONNECT:
      handleConnect(connection, packet);
      return;
    case PacketType.DISCONNECT:
      handleDisconnect(connection, packet);
      return;
    case PacketType.AUTH:
      handleAuth(connection, packet);
      return;
    default:
      throw new MqttError(ReasonCode.ProtocolError, `a client may not send ${packetName(packet.type)}`);
  }
}

/** With enhanced authentication CONNECT is not the only packet before CONNACK. */
const belongsToLogin = (type: number): boolean =>
  type === PacketType.CONNECT || type === PacketType.AUTH || type === PacketType.DISCONNECT;
