import { expect, it } from '@jest/globals';
import { AllowAllAuth } from '../../../lib/auth/allow-all.auth.js';
import { PacketType } from '../../../lib/protocol/packets.js';
import {
  payloadsOf,
  publishKept,
  publishOf,
  readAll,
  readPublishes,
  resume,
  sendTogether,
} from '../../support/scenario.js';
import { SlowStore } from '../../support/slow-store.js';
import { describeAlsoInRedis, type TestBroker } from '../../support/test-broker.js';
import type { WireClient } from '../../support/wire-client.js';

const { PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;

async function publishMany(broker: TestBroker, qos: 1 | 2, count: number): Promise<WireClient> {
  const publisher = await broker.client();
  for (let number = 1; number <= count; number++) publisher.publish('a', { qos, payload: `${number}` });
  await publisher.settled();
  return publisher;
}

describeAlsoInRedis('4.9 flow control', (start) => {
  it.each([1, 2, 5])(
    '[MQTT-3.3.4-9] [MQTT-4.9.0-1] sends at most %i messages without PUBACK',
    async (receiveMaximum) => {
      const broker = await start();
      const subscriber = await broker.client(5, { properties: { receiveMaximum } });
      await subscriber.subscribe('a', { qos: 1 });
      await publishMany(broker, 1, 8);

      const open = (await readAll(subscriber)) as { packetId: number }[];
      expect(open).toHaveLength(receiveMaximum);
      for (let acknowledged = 1; acknowledged <= 8; acknowledged++) {
        subscriber.acknowledge(PUBACK, open.shift()!.packetId);
        open.push(...((await readAll(subscriber)) as { packetId: number }[]));
        expect(open).toHaveLength(Math.min(receiveMaximum, 8 - acknowledged));
      }
    },
  );

  it('[MQTT-4.9.0-2] a QoS 2 message counts until its PUBCOMP, or a PUBREC that refuses', async () => {
    const broker = await start();
    const subscriber = await broker.client(5, { properties: { receiveMaximum: 1 } });
    await subscriber.subscribe('a', { qos: 2 });
    await publishMany(broker, 2, 3);

    const one = await subscriber.expectPublish('a', '1');
    subscriber.acknowledge(PUBREC, one.packetId);
    await subscriber.expect({ type: PUBREL });
    await subscriber.expectNothing();
    subscriber.acknowledge(PUBCOMP, one.packetId);
    const two = await subscriber.expectPublish('a', '2');
    await subscriber.expectNothing();
    subscriber.acknowledge(PUBREC, two.packetId, 0x80);
    await subscriber.expectPublish('a', '3');
  });

  it('[MQTT-4.9.0-2] acknowledgements of nothing do not raise the quota', async () => {
    const broker = await start();
    const subscriber = await broker.client(5, { properties: { receiveMaximum: 2 } });
    await subscriber.subscribe('a', { qos: 2 });
    await publishMany(broker, 1, 2);
    const [one, two] = await readPublishes(subscriber, 2);

    subscriber.acknowledge(PUBACK, 4711).acknowledge(PUBCOMP, 4711).acknowledge(PUBCOMP, one.packetId);
    subscriber.acknowledge(PUBACK, two.packetId).acknowledge(PUBACK, two.packetId).acknowledge(PUBACK, two.packetId);
    await publishMany(broker, 2, 5);

    expect(payloadsOf(await readAll(subscriber))).toEqual(['1']);
  });

  it('[MQTT-4.9.0-1] takes an absent Receive Maximum for 65,535', async () => {
    const broker = await start({ limits: { maximumInFlight: 65_535 } });
    const subscriber = await broker.client();
    await subscriber.subscribe('a', { qos: 1 });

    for (let batch = 0; batch < 3; batch++) await publishMany(broker, 1, 1000);

    expect(await readAll(subscriber)).toHaveLength(3000);
  });

  it('[MQTT-4.9.0-1] starts anew with each connection, also for what is sent again', async () => {
    const broker = await start();
    const first = await resume(broker, 'sub', { receiveMaximum: 4 });
    await first.subscribe('a', { qos: 1 });
    await publishMany(broker, 1, 6);
    expect(await readAll(first)).toHaveLength(4);
    first.drop();

    const second = await resume(broker, 'sub', { receiveMaximum: 2 });
    const [one] = await readPublishes(second, 2);
    await second.expectNothing();
    second.acknowledge(PUBACK, one.packetId);
    await second.expectPublish('a', '3', { dup: true });
    await second.expectNothing();
    second.drop();

    const third = await resume(broker, 'sub');
    expect(payloadsOf(await readAll(third))).toEqual(['2', '3', '4', '5', '6']);
  });

  it('[MQTT-3.3.4-10] [MQTT-4.9.0-3] goes on with all other packets at quota 0', async () => {
    const broker = await start();
    const subscriber = await broker.client(5, { properties: { receiveMaximum: 1 } });
    await subscriber.subscribe('a', { qos: 1 });
    const publisher = await publishMany(broker, 1, 3);
    await subscriber.expectPublish('a', '1');

    publisher.publish('a', { payload: 'QoS 0' });
    await publisher.settled();
    await subscriber.expectPublish('a', 'QoS 0', { qos: 0 });
    await subscriber.subscribe('b');
    subscriber.send({ type: PacketType.UNSUBSCRIBE, packetId: 90, filters: ['b'] });
    await subscriber.expect({ type: PacketType.UNSUBACK, packetId: 90 });
    subscriber.publish('c', { qos: 1, packetId: 91 });
    await subscriber.expect({ type: PUBACK, packetId: 91 });
    subscriber.publish('c', { qos: 2, packetId: 92 });
    await subscriber.expect({ type: PUBREC, packetId: 92 });
    subscriber.acknowledge(PUBREL, 92);
    await subscriber.expect({ type: PUBCOMP, packetId: 92 });
    await subscriber.expectNothing();
  });

  it('[MQTT-3.3.4-10] [MQTT-4.9.0-3] delays no PUBREL of a resumed session, whatever the Receive Maximum', async () => {
    const broker = await start();
    const first = await resume(broker, 'sub');
    await first.subscribe('a', { qos: 2 });
    await publishMany(broker, 2, 4);
    const sent = await readPublishes(first, 4);
    for (const { packetId } of sent.slice(1)) {
      first.acknowledge(PUBREC, packetId);
      await first.expect({ type: PUBREL, packetId });
    }
    first.drop();

    const second = await resume(broker, 'sub', { receiveMaximum: 1 });

    const packets = await readAll(second);
    expect(packets.filter(({ type }) => type === PUBREL)).toMatchObject(
      sent.slice(1).map(({ packetId }) => ({ packetId })),
    );
    expect(packets.filter(({ type }) => type === PacketType.PUBLISH)).toMatchObject([{ packetId: sent[0].packetId }]);
  });

  it.each([1, 2] as const)(
    '[MQTT-3.3.4-7] closes the connection on more than its Receive Maximum, QoS %i',
    async (qos) => {
      // What is kept at once is acknowledged at once: at QoS 1 only a slow store lets a client have several open.
      const store = new SlowStore();
      const broker = await start({ limits: { receiveMaximum: 3 }, store });
      const client = await broker.open();
      const { properties } = await client.connect();
      expect(properties?.receiveMaximum).toBe(3);
      const subscriber = await broker.client();
      await subscriber.subscribe('a');
      const done = store.hold();

      sendTogether(
        client,
        Array.from({ length: 5 }, (_, index) => publishOf('a', { qos, packetId: index + 1, payload: `${index + 1}` })),
      );
      expect(payloadsOf(await readPublishes(subscriber, 3))).toEqual(['1', '2', '3']);
      done();

      const { reasonCode } = await lastPacket(client);
      expect(reasonCode).toBe(0x93);
      await subscriber.expectNothing();
    },
  );

  it('[MQTT-3.3.4-7] counts a QoS 2 message of the client until the PUBCOMP', async () => {
    const broker = await start({ limits: { receiveMaximum: 2 } });
    const client = await broker.client();

    for (let packetId = 1; packetId <= 20; packetId++) {
      client.publish('a', { qos: 2, packetId });
      await client.expect({ type: PUBREC, packetId });
      if (packetId < 2) continue;
      client.acknowledge(PUBREL, packetId - 1);
      await client.expect({ type: PUBCOMP, packetId: packetId - 1 });
    }
    client.publish('a', { qos: 2, packetId: 21 });
    await client.expect({ type: PUBREC, packetId: 21 });
    client.publish('a', { qos: 1, packetId: 22 });

    await client.expectDisconnect(0x93);
  });

  it('[MQTT-3.3.4-7] gives the quota back for what it refuses, for QoS 1 and for a repeated QoS 2', async () => {
    class Nothing extends AllowAllAuth {
      override mayPublish(_client: unknown, topic: string): boolean {
        return topic !== 'forbidden';
      }
    }
    const broker = await start({ limits: { receiveMaximum: 2 }, auth: new Nothing() });
    const client = await broker.client();

    for (let packetId = 1; packetId <= 10; packetId++) {
      for (const qos of [1, 2] as const) {
        client.publish('forbidden', { qos, packetId });
        await client.expect({ packetId, reasonCode: 0x87 });
      }
      await publishKept(client, 'a', { packetId });
      client.publish('a', { qos: 2, packetId: 999, dup: packetId > 1 });
      await client.expect({ type: PUBREC, packetId: 999 });
    }
  });

  async function lastPacket(client: WireClient): Promise<{ reasonCode: number }> {
    for (;;) {
      const packet = await client.next();
      if (packet.type === PacketType.DISCONNECT) {
        await client.expectClosed();
        return packet;
      }
    }
  }
});
