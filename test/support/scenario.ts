import { afterEach, describe, expect } from '@jest/globals';
import type { BrokerOptions } from '../../lib/broker/broker.js';
import { encodePacket } from '../../lib/protocol/packet-encoder.js';
import { PacketType, type DisconnectPacket, type Packet, type PublishPacket } from '../../lib/protocol/packets.js';
import type { Properties } from '../../lib/protocol/properties.js';
import { startBroker, type TestBroker } from './test-broker.js';
import type { PublishOptions, WireClient } from './wire-client.js';

/** Like `describeOverTransports` where the transport is not the point: brokers in memory, stopped after each test. */
export function describeInMemory(
  title: string,
  define: (start: (options?: Partial<BrokerOptions>) => Promise<TestBroker>) => void,
): void {
  describe.each(['memory'])(`${title} in %s`, () => {
    const running: TestBroker[] = [];
    afterEach(async () => {
      await Promise.all(running.splice(0).map((broker) => broker.stop()));
    });
    define(async (options) => {
      const broker = await startBroker(options);
      running.push(broker);
      return broker;
    });
  });
}

/** Connects with Clean Start 0 and a session that outlives the connection by an hour. */
export const resume = (broker: TestBroker, clientId: string, properties: Properties = {}): Promise<WireClient> =>
  broker.client(5, { clientId, cleanStart: false, properties: { sessionExpiryInterval: 3600, ...properties } });

/** Says goodbye and waits until the broker has closed. */
export async function leave(client: WireClient): Promise<void> {
  client.disconnect();
  await client.expectClosed();
}

/** Waits until the broker has noticed that the client's connection is gone. */
export async function untilAway({ broker }: TestBroker, clientId: string): Promise<void> {
  while (broker.sessions.get(clientId)?.connection) await new Promise((resolve) => setImmediate(resolve));
}

/** Everything that the broker has sent when it answers a PINGREQ. */
export async function readAll(client: WireClient): Promise<Packet[]> {
  client.send({ type: PacketType.PINGREQ });
  const packets: Packet[] = [];
  for (;;) {
    const packet = await client.next();
    if (packet.type === PacketType.PINGRESP) return packets;
    packets.push(packet);
  }
}

/** The next `count` packets, each a PUBLISH. */
export async function readPublishes(client: WireClient, count: number): Promise<PublishPacket[]> {
  const packets: PublishPacket[] = [];
  while (packets.length < count) packets.push((await client.next(PacketType.PUBLISH)) as PublishPacket);
  return packets;
}

export const payloadsOf = (packets: readonly Packet[]): string[] =>
  packets.map((packet) => (packet as PublishPacket).payload.toString());

export const packetIdsOf = (packets: readonly Packet[]): number[] =>
  packets.map((packet) => (packet as PublishPacket).packetId);

/** A PUBLISH as an object, for `sendTogether`. */
export function publishOf(topic: string, options: PublishOptions = {}): PublishPacket {
  const { qos = 0, dup = false, retain = false, packetId = 0, properties } = options;
  const payload = Buffer.from(options.payload ?? '');
  return { type: PacketType.PUBLISH, topic, payload, qos, dup, retain, packetId, properties };
}

/** Sends the packets in one write, so that the broker reads them in one go. */
export function sendTogether(client: WireClient, packets: readonly Packet[]): void {
  client.send(Buffer.concat(packets.map((packet) => encodePacket(packet, client.version))));
}

/** Expects DISCONNECT with one of these reasons, where the standard leaves a choice, and then the end. */
export async function expectRefused(client: WireClient, ...reasonCodes: number[]): Promise<void> {
  const { reasonCode } = (await client.next(PacketType.DISCONNECT)) as DisconnectPacket;
  expect(reasonCodes).toContain(reasonCode);
  await client.expectClosed();
}

/** Publishes at QoS 1 and waits for the PUBACK. */
export async function publishKept(client: WireClient, topic: string, options: PublishOptions = {}): Promise<void> {
  const packetId = client.publish(topic, { qos: 1, ...options });
  await client.expect({ type: PacketType.PUBACK, packetId });
}
