import { PacketType, type AcknowledgePacket } from '../../protocol/packets.js';
import { ReasonCode } from '../../protocol/reason-codes.js';
import type { Connection } from '../connection.js';
import { DeliveryState } from '../delivery.js';

/** The receiver of a QoS 1 message has it. */
export function handlePuback({ session }: Connection, { packetId }: AcknowledgePacket): void {
  const { outgoing } = session!;
  const { deliveries } = outgoing;
  const index = deliveries.find(packetId);
  // An acknowledgement for nothing is not an error (MQTT 5, 4.3.2): the message may have been dropped meanwhile.
  if (index < 0 || deliveries.qosAt(index) !== 1) return;
  if (deliveries.stateAt(index) === DeliveryState.Sent) outgoing.acknowledge(index);
}

/** The receiver of a QoS 2 message has it, or refuses it. */
export function handlePubrec(connection: Connection, { packetId, reasonCode }: AcknowledgePacket): void {
  const { outgoing } = connection.session!;
  const { deliveries } = outgoing;
  const index = deliveries.find(packetId);
  if (index < 0 || deliveries.qosAt(index) !== 2) {
    // [MQTT-3.6.2-1] PUBREL tells that there is no such message
    if (reasonCode < 0x80) answer(connection, PacketType.PUBREL, packetId, ReasonCode.PacketIdentifierNotFound);
  } else if (reasonCode >= 0x80) {
    // [MQTT-4.4.0-2] refused: nothing more happens to it
    if (deliveries.stateAt(index) === DeliveryState.Sent) outgoing.acknowledge(index);
  } else {
    // [MQTT-4.3.3-4] [MQTT-4.3.3-6]
    outgoing.release(index);
    connection.acknowledge(PacketType.PUBREL, packetId);
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
  const { outgoing } = session!;
  const index = outgoing.deliveries.find(packetId);
  if (index >= 0 && outgoing.deliveries.stateAt(index) === DeliveryState.Released) outgoing.acknowledge(index);
}

function answer(connection: Connection, type: 6 | 7, packetId: number, reasonCode: number): void {
  connection.reply({ type, packetId, reasonCode });
}
