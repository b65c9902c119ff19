import { PacketType, type PublishPacket, type QoS } from '../../lib/protocol/packets.js';
import type { PublishOptions, WireClient } from './wire-client.js';

const { PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;

/** Publishes and completes the exchange as its sender: what was published is the broker's now. */
export async function publishWhole(client: WireClient, topic: string, options: PublishOptions = {}): Promise<void> {
  const packetId = client.publish(topic, options);
  if (options.qos === 1) await client.expect({ type: PUBACK, packetId });
  else if (options.qos === 2) {
    await client.expect({ type: PUBREC, packetId });
    client.acknowledge(PUBREL, packetId);
    await client.expect({ type: PUBCOMP, packetId });
  } else await client.expectNothing();
}

/** Expects a PUBLISH and completes the exchange as its receiver. */
export async function receiveWhole(
  client: WireClient,
  topic: string,
  payload: string,
  fields: object = {},
): Promise<PublishPacket> {
  const publish = await client.expectPublish(topic, payload, fields);
  await acknowledgeWhole(client, publish);
  return publish;
}

/** Answers a PUBLISH by its QoS, up to the end of the exchange. */
export async function acknowledgeWhole(client: WireClient, { qos, packetId }: PublishPacket): Promise<void> {
  if (qos === 1) client.acknowledge(PUBACK, packetId);
  if (qos === 2) {
    client.acknowledge(PUBREC, packetId);
    await client.expect({ type: PUBREL, packetId });
    client.acknowledge(PUBCOMP, packetId);
  }
}

/** Everything published to the client so far, each acknowledged by its QoS. */
export async function receiveAll(client: WireClient): Promise<PublishPacket[]> {
  const received: PublishPacket[] = [];
  client.send({ type: PacketType.PINGREQ });
  for (;;) {
    const packet = await client.next();
    if (packet.type === PacketType.PINGRESP) return received;
    if (packet.type !== PUBLISH) continue;
    received.push(packet);
    if (packet.qos === 1) client.acknowledge(PUBACK, packet.packetId);
    if (packet.qos === 2) client.acknowledge(PUBREC, packet.packetId);
  }
}

/** Payloads as text. */
export const payloads = (messages: readonly { payload: Buffer }[]): string[] =>
  messages.map(({ payload }) => payload.toString());

export const everyQoS: readonly QoS[] = [0, 1, 2];
