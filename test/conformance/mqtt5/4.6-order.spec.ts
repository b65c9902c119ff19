import { expect, it } from '@jest/globals';
import { AllowAllAuth } from '../../../lib/auth/allow-all.auth.js';
import { PacketType, type AcknowledgePacket, type QoS } from '../../../lib/protocol/packets.js';
import {
  leave,
  payloadsOf,
  publishKept,
  publishOf,
  readAll,
  readPublishes,
  resume,
  sendTogether,
} from '../../support/scenario.js';
import { describeAlsoInRedis } from '../../support/test-broker.js';

const numbers = (count: number): string[] => Array.from({ length: count }, (_, index) => `${index}`);

describeAlsoInRedis('4.6 order', (start) => {
  it.each([0, 1, 2] as const)('[MQTT-4.6.0-5] [MQTT-4.6.0-6] keeps the order of a publisher, QoS %i', async (qos) => {
    const broker = await start();
    const subscriber = await broker.client();
    const publisher = await broker.client();
    await subscriber.subscribe('a', { qos });

    const packets = numbers(500).map((payload, index) => publishOf('a', { qos, payload, packetId: index + 1 }));
    sendTogether(publisher, packets.slice(0, 200));
    for (const packet of packets.slice(200)) publisher.send(packet);

    expect(payloadsOf(await readPublishes(subscriber, 500))).toEqual(numbers(500));
  });

  it('[MQTT-4.6.0-5] keeps the order within each QoS and publisher when they are mixed', async () => {
    const broker = await start();
    const subscriber = await broker.client();
    await subscriber.subscribe([{ filter: 'a', qos: 2 }, { filter: '+' }]);
    const publishers = [await broker.client(), await broker.client(), await broker.client()];

    for (let count = 0; count < 90; count++) {
      const qos = (count % 3) as QoS;
      for (const [index, publisher] of publishers.entries())
        publisher.publish('a', { qos, payload: `${index}:${count}` });
    }

    const packets = await readPublishes(subscriber, 270);
    for (const qos of [0, 1, 2]) {
      for (const publisher of [0, 1, 2]) {
        const own = payloadsOf(packets.filter((packet) => packet.qos === qos)).filter((text) =>
          text.startsWith(`${publisher}:`),
        );
        expect(own.map((text) => Number(text.slice(2)))).toEqual(Array.from({ length: 30 }, (_, at) => 3 * at + qos));
      }
    }
  });

  it('[MQTT-4.6.0-6] keeps it for what waited: away, and behind the Receive Maximum', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const first = await resume(broker, 'sub', { receiveMaximum: 2 });
    await first.subscribe('a', { qos: 2 });
    for (const [index, payload] of numbers(6).entries())
      publisher.publish('a', { qos: ((index % 2) + 1) as QoS, payload });
    await publisher.settled();
    expect(payloadsOf(await readAll(first))).toEqual(['0', '1']);
    await leave(first);
    for (const payload of ['6', '7']) publisher.publish('a', { qos: 1, payload });
    await publisher.settled();

    const second = await resume(broker, 'sub');

    expect(payloadsOf(await readPublishes(second, 8))).toEqual(numbers(8));
  });

  it('[MQTT-4.6.0-6] sends what waited before what is published at that moment', async () => {
    const broker = await start();
    const publisher = await broker.client();
    await (await resume(broker, 'sub')).subscribe('a', { qos: 1 });
    await leave(await resume(broker, 'sub'));
    for (const payload of numbers(50)) await publishKept(publisher, 'a', { payload });

    const resumed = resume(broker, 'sub');
    for (const payload of numbers(50)) publisher.publish('a', { qos: 1, payload: `${Number(payload) + 50}` });
    const second = await resumed;

    expect(payloadsOf(await readPublishes(second, 100))).toEqual(numbers(100));
  });

  it('[MQTT-4.6.0-1] sends again in the order in which it sent first, acknowledged ones left out', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const first = await resume(broker, 'sub');
    await first.subscribe('a', { qos: 1 });
    for (const payload of numbers(20)) await publishKept(publisher, 'a', { payload });
    const sent = await readPublishes(first, 20);
    for (const index of [3, 0, 11, 19]) first.acknowledge(PacketType.PUBACK, sent[index].packetId);
    await first.settled();
    first.drop();

    const second = await resume(broker, 'sub');

    const expected = numbers(20).filter((payload) => !['0', '3', '11', '19'].includes(payload));
    expect(payloadsOf(await readPublishes(second, 16))).toEqual(expected);
  });

  it('[MQTT-4.6.0-2] [MQTT-4.6.0-3] [MQTT-4.6.0-4] acknowledges in the order of what it acknowledges', async () => {
    const broker = await start();
    const subscriber = await broker.client();
    const publisher = await broker.client();
    await subscriber.subscribe('a');
    const packetIds = [9, 3, 500, 1, 7, 65_535];

    sendTogether(
      publisher,
      packetIds.map((packetId) => publishOf('a', { qos: 1, packetId })),
    );
    expect(await acknowledgements()).toEqual(packetIds);
    sendTogether(
      publisher,
      packetIds.map((packetId) => publishOf('a', { qos: 2, packetId })),
    );
    expect(await acknowledgements()).toEqual(packetIds);
    for (const packetId of packetIds) publisher.acknowledge(PacketType.PUBREL, packetId);
    expect(await acknowledgements()).toEqual(packetIds);

    async function acknowledgements() {
      return (await readAll(publisher)).map((packet) => (packet as AcknowledgePacket).packetId);
    }
  });

  it('[MQTT-4.6.0-2] [MQTT-4.6.0-5] keeps the order when authorization answers at different times', async () => {
    class SlowAuth extends AllowAllAuth {
      override async mayPublish(_client: unknown, topic: string): Promise<boolean> {
        for (let turn = topic.length % 4; turn > 0; turn--) await new Promise((resolve) => setImmediate(resolve));
        return true;
      }
    }
    const broker = await start({ auth: new SlowAuth() });
    const subscriber = await broker.client();
    const publisher = await broker.client();
    await subscriber.subscribe('#', { qos: 1 });
    const topics = ['aaa', 'a', 'aa', 'aaaa', 'aaa', 'a', 'a', 'aaa'];

    sendTogether(
      publisher,
      topics.map((topic, index) => publishOf(topic, { qos: 1, packetId: index + 1 })),
    );

    expect((await readPublishes(subscriber, 8)).map(({ topic }) => topic)).toEqual(topics);
    for (let packetId = 1; packetId <= 8; packetId++) await publisher.expect({ type: PacketType.PUBACK, packetId });
  });

  it.each([0, 1, 2] as const)(
    '[MQTT-4.6.0-5] a retained message is not overtaken by the next of its publisher, QoS %i',
    async (qos) => {
      const broker = await start();
      const client = await broker.client();
      client.publish('a', { qos, retain: true, payload: 'first' });
      await readAll(client);

      const options = { qos, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
      sendTogether(client, [
        { type: PacketType.SUBSCRIBE, packetId: 90, subscriptions: [{ filter: 'a', ...options }] },
        publishOf('a', { qos, packetId: 91, payload: 'second' }),
      ]);

      const publishes = [];
      while (publishes.length < 2) {
        const packet = await client.next();
        if (packet.type === PacketType.PUBLISH) publishes.push(packet);
      }
      expect(payloadsOf(publishes)).toEqual(['first', 'second']);
    },
  );

  it('[MQTT-4.6.0-5] nor when the retained messages of the subscription are many', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const topics = numbers(1500).map((number) => `a/${number}`);
    for (const topic of topics) publisher.publish(topic, { retain: true, payload: 'old' });
    await publisher.settled();
    const subscriber = await broker.client();

    await subscriber.subscribe('a/+');
    for (const topic of topics) publisher.publish(topic, { payload: 'new' });
    await publisher.settled();

    const seen = new Map<string, string[]>();
    for (const { topic, payload } of await readPublishes(subscriber, 3000)) {
      seen.set(topic, [...(seen.get(topic) ?? []), payload.toString()]);
    }
    expect([...seen.values()].filter((payloads) => payloads.join() !== 'old,new')).toEqual([]);
    expect(seen.size).toBe(1500);
  });
});
