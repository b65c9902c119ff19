import { PacketType, type AcknowledgePacket } from '../../protocol/packets.js';
import { ReasonCode } from '../../protocol/reason-codes.js';
import type { Connection } from '../connection.js';
import { DeliveryState, packetIdOf, type Delivery } from '../deliveries.js';
import type { Session } from '../session.js';

/** The receiver of a QoS 1 message has it. */
export function handlePuback({ session }: Connection, { packetId }: AcknowledgePacket): void {
  const delivery = find(session!, packetId);
  // An acknowledgement for nothing is not an error (MQTT 5, 4.3.2): the message may have been dropped meanwhile.
  if (delivery?.qos === 1 && delivery.state === DeliveryState.Sent) session!.acknowledge(delivery);
}

/** The receiver of a QoS 2 message has it, or refuses it. */
export function handlePubrec(connection: Connection, { packetId, reasonCode }: AcknowledgePacket): void {
  const { session } = connection;
  const delivery = find(session!, packetId);
  if (delivery?.qos !== 2) {
    // [MQTT-3.6.2-1] PUBREL tells that there is no such message
    if (reasonCode < 0x80) answer(connection, PacketType.PUBREL, packetId, ReasonCode.PacketIdentifierNotFound);
  } else if (reasonCode >= 0x80) {
    // [MQTT-4.4.0-2] refused: nothing more happens to it
    if (delivery.state === DeliveryState.Sent) session!.acknowledge(delivery);
  } else {
    // [MQTT-4.3.3-4] [MQTT-4.3.3-6]
    session!.release(delivery);
    connection.acknowledge(PacketType.PUBREL, packetIdOf(delivery));
  }
}

/** The sender of a QoS 2 message will not send it again: its packet identifier is free. */
export function handlePubrel(connection: Connection, { packetId }: AcknowledgePacket): void {
  const session = connection.session!;
  // [MQTT-4.3.3-11]
  if (session.received.delete(packetId) || session.stored?.isAdmitted(packetId)) {
    connection.broker.store.released(session, packetId);
    connection.acknowledge(PacketType.PUBCOMP, packetId);
  } else {
    answer(connection, PacketType.PUBCOMP, packetId, ReasonCode.PacketIdentifierNotFound);
  }
}

/** The receiver of a QoS 2 message has finished. */
export function handlePubcomp({ session }: Connection, { packetId }: AcknowledgePacket): void {
  const delivery = find(session!, packetId);
  if (delivery?.state === DeliveryState.Released) session!.acknowledge(delivery);
}

const find = (session: Session, packetId: number): Delivery | undefined => session.deliveries.find(packetId);

function answer(connection: Connection, type: 6 | 7, packetId: number, reasonCode: number): void {
  connection.reply({ type, packetId, reasonCode });
}
