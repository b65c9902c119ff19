import { PacketType, type UnsubscribePacket } from '../../protocol/packets.js';
import { ReasonCode } from '../../protocol/reason-codes.js';
import type { Connection } from '../connection.js';

/** [MQTT-3.10.4-6] several filters are several UNSUBSCRIBEs with one UNSUBACK, answered even when nothing was deleted. */
export function handleUnsubscribe(connection: Connection, { packetId, filters }: UnsubscribePacket): void {
  const session = connection.session!;
  const reasonCodes = filters.map((filter) =>
    connection.broker.subscriptions.remove(session, filter) ? ReasonCode.Success : ReasonCode.NoSubscriptionExisted,
  );
  connection.reply({
    type: PacketType.UNSUBACK,
    packetId,
    reasonCodes: connection.protocolVersion === 5 ? reasonCodes : [],
  });
}
