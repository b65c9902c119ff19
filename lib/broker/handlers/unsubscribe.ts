import { PacketType, type UnsubscribePacket } from '../../protocol/packets.js';
import { ReasonCode } from '../../protocol/reason-codes.js';
import { isShared, parseShare } from '../../topics/topic-names.js';
import type { Connection } from '../connection.js';
import type { Refusal } from '../reception.js';

/** [MQTT-3.10.4-6] several filters are several UNSUBSCRIBEs with one UNSUBACK, answered even when nothing was deleted. */
export function handleUnsubscribe(connection: Connection, packet: UnsubscribePacket): void {
  const { broker, client, entrance } = connection;
  const filters = packet.filters.map((filter) => entrance.mountedFilter(filter));
  const answers = filters.map((filter) => broker.reception?.unsubscribe(client!, bare(filter)));
  const goOn = (refusals: readonly (Refusal | undefined)[]): void =>
    unsubscribe(connection, packet.packetId, filters, refusals);
  connection.whenKnown<Refusal | undefined>(answers, goOn);
}

function unsubscribe(
  connection: Connection,
  packetId: number,
  filters: readonly string[],
  refusals: readonly (Refusal | undefined)[],
): void {
  const { broker, client, protocolVersion } = connection;
  const session = connection.session!;
  const removed: string[] = [];
  const reasonCodes = filters.map((filter, index) => {
    const refusal = refusals[index];
    // The UNSUBACK of 3.1.1 cannot say no: its clients rely on being rid of it.
    if (refusal && protocolVersion === 5) return refusal.reasonCode;
    if (!broker.subscriptions.remove(session, filter)) return ReasonCode.NoSubscriptionExisted;
    removed.push(filter);
    return ReasonCode.Success;
  });
  connection.reply({ type: PacketType.UNSUBACK, packetId, reasonCodes: protocolVersion === 5 ? reasonCodes : [] });
  for (const filter of removed) broker.announce('unsubscribed', client!, filter);
}

const bare = (filter: string): string => (isShared(filter) ? parseShare(filter)?.filter : undefined) ?? filter;
