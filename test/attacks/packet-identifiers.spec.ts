import { expect, it } from '@jest/globals';
import { PacketType } from '../../lib/protocol/packets.js';
import { describeInMemory, publishOf, readPublishes, resume, sendTogether } from '../support/scenario.js';
import type { WireClient } from '../support/wire-client.js';

const { PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;

const isLong = Boolean(process.env.MQTTD_TEST_LONG);
/** Messages in flight at once; the last identifiers before the wrap are reached either way. */
const inFlight = isLong ? 65_535 : 3_000;
const batch = 1_000;
const longTimeoutMs = 120_000;

/** Publishes at QoS 1 in batches and gives the packet identifiers that `subscriber` receives. */
async function publishAll(publisher: WireClient, subscriber: WireClient, count: number): Promise<number[]> {
  const packetIds: number[] = [];
  for (let sent = 0; sent < count; sent += batch) {
    const size = Math.min(batch, count - sent);
    const packets = Array.from({ length: size }, (_, index) => publishOf('a', { qos: 1, packetId: index + 1 }));
    sendTogether(publisher, packets);
    for (const packetId of await readMany(subscriber, PUBLISH, size)) packetIds.push(packetId);
    await readMany(publisher, PUBACK, size);
  }
  return packetIds;
}

/** The packet identifiers of the next `count` packets, which are all of that type. */
async function readMany(client: WireClient, type: number, count: number): Promise<number[]> {
  const packetIds: number[] = [];
  for (let read = 0; read < count; read++) {
    const packet = await client.next();
    if (packet.type !== type || !('packetId' in packet)) throw new Error(`a packet of type ${packet.type} came`);
    packetIds.push(packet.packetId);
  }
  return packetIds;
}

const acknowledgeAll = (client: WireClient, type: 4 | 6, packetIds: readonly number[]): void =>
  sendTogether(
    client,
    packetIds.map((packetId) => ({ type, packetId, reasonCode: 0 })),
  );

describeInMemory('all packet identifiers', (start) => {
  it(
    '[A31] uses every identifier once, goes back to 1 after 65,535, and waits while all are in flight',
    async () => {
      const broker = await start({ limits: { maximumInFlight: inFlight } });
      const subscriber = await broker.client(5, { properties: { receiveMaximum: inFlight } });
      const publisher = await broker.client();
      await subscriber.subscribe('a', { qos: 1 });

      if (!isLong) {
        // Up to where `inFlight` messages pass the wrap, acknowledged as they come.
        for (let passed = 0; passed < 65_535 - 1_500; passed += batch) {
          const size = Math.min(batch, 65_535 - 1_500 - passed);
          acknowledgeAll(subscriber, PUBACK, await publishAll(publisher, subscriber, size));
        }
      }
      const packetIds = await publishAll(publisher, subscriber, inFlight);
      expect(new Set(packetIds).size).toBe(inFlight);
      expect(packetIds.includes(65_535) && packetIds.includes(1)).toBe(true);
      expect(packetIds.every((packetId) => packetId >= 1 && packetId <= 65_535)).toBe(true);

      publisher.publish('a', { qos: 1, payload: 'one more' });
      await publisher.next(PUBACK);
      await subscriber.expectNothing();
      subscriber.acknowledge(PUBACK, packetIds[0]);
      const { packetId } = await subscriber.expectPublish('a', 'one more');
      expect(packetIds.slice(1)).not.toContain(packetId);

      acknowledgeAll(subscriber, PUBACK, [...packetIds.slice(1), packetId]);
      await subscriber.expectNothing();
      expect([...broker.broker.sessions.values()].map(({ deliveries }) => deliveries.all().length)).toEqual([0, 0]);
    },
    longTimeoutMs,
  );

  it(
    '[A31] sends all that is in flight again with the same identifiers',
    async () => {
      const broker = await start({ limits: { maximumInFlight: inFlight } });
      const first = await resume(broker, 'sub', { receiveMaximum: inFlight });
      const publisher = await broker.client();
      await first.subscribe('a', { qos: 1 });
      const packetIds = await publishAll(publisher, first, inFlight);
      first.drop();

      const second = await resume(broker, 'sub');

      const again = await readPublishes(second, inFlight);
      expect(again.map(({ packetId }) => packetId)).toEqual(packetIds);
      expect(again.every(({ dup }) => dup)).toBe(true);
    },
    longTimeoutMs,
  );

  it(
    '[A31] takes all identifiers of a client at once, and then takes them again',
    async () => {
      const count = isLong ? 65_535 : 3_000;
      const broker = await start({ limits: { receiveMaximum: 65_535 } });
      const publisher = await broker.client(5, { clientId: 'pub' });
      const { received } = broker.broker.sessions.get('pub')!;

      for (let round = 0; round < 2; round++) {
        for (let first = 1; first <= count; first += batch) {
          const packetIds = numbersFrom(first, Math.min(batch, count + 1 - first));
          sendTogether(
            publisher,
            packetIds.map((packetId) => publishOf('a', { qos: 2, packetId })),
          );
          expect(await readMany(publisher, PUBREC, packetIds.length)).toEqual(packetIds);
        }
        expect(received.size).toBe(count);
        for (let first = 1; first <= count; first += batch) {
          const packetIds = numbersFrom(first, Math.min(batch, count + 1 - first));
          acknowledgeAll(publisher, PUBREL, packetIds);
          expect(await readMany(publisher, PUBCOMP, packetIds.length)).toEqual(packetIds);
        }
        expect(received.size).toBe(0);
      }
      await publisher.expectNothing();
    },
    longTimeoutMs,
  );
});

const numbersFrom = (first: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => first + index);
