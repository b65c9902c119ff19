import { expect, it } from '@jest/globals';
import { expectRefused, leave, publishKept, readPublishes, resume } from '../../support/scenario.js';
import { describeOverTransports, type TestBroker } from '../../support/test-broker.js';
import type { WireClient } from '../../support/wire-client.js';

describeOverTransports('3.3 PUBLISH, topic aliases', (start) => {
  it('[MQTT-3.3.2-12] accepts every alias from 1 to the maximum that it has announced', async () => {
    const broker = await start();
    const subscriber = await broker.client();
    const publisher = await broker.open();
    const { properties } = await publisher.connect();
    const maximum = properties!.topicAliasMaximum!;
    await subscriber.subscribe('#');
    expect(maximum).toBeGreaterThan(0);

    for (let topicAlias = 1; topicAlias <= maximum; topicAlias++) {
      publisher.publish(`topic/${topicAlias}`, { properties: { topicAlias } });
    }
    for (let topicAlias = maximum; topicAlias >= 1; topicAlias--) publisher.publish('', { properties: { topicAlias } });

    const topics = (await readPublishes(subscriber, 2 * maximum)).map(({ topic }) => topic);
    const expected = Array.from({ length: maximum }, (_, index) => `topic/${index + 1}`);
    expect(topics).toEqual([...expected, ...[...expected].reverse()]);
  });

  it('[MQTT-3.3.2-12] takes a new topic for an alias, and several aliases for a topic', async () => {
    const broker = await start();
    const subscriber = await broker.client();
    const publisher = await broker.client();
    await subscriber.subscribe('#', { qos: 2 });

    publisher.publish('a', { properties: { topicAlias: 1 } });
    publisher.publish('b', { properties: { topicAlias: 1 } });
    publisher.publish('b', { properties: { topicAlias: 2 } });
    publisher.publish('', { qos: 1, properties: { topicAlias: 1 } });
    publisher.publish('', { qos: 2, properties: { topicAlias: 2 } });

    const packets = await readPublishes(subscriber, 5);
    expect(packets.map(({ topic, qos }) => `${topic}${qos}`)).toEqual(['a0', 'b0', 'b0', 'b1', 'b2']);
  });

  it('[MQTT-3.3.2-7] forwards no alias of the publisher', async () => {
    const broker = await start();
    const subscriber = await broker.client();
    const publisher = await broker.client();
    await subscriber.subscribe('a', { qos: 1 });

    publisher.send('30 08 0001 61 03 230001 78');
    publisher.send('32 0e 0000 0001 08 230001 030002 7478 7a');

    await subscriber.expectHex('30 05 0001 61 00 78');
    await subscriber.expectHex('32 0c 0001 61 0001 05 030002 7478 7a');
  });

  it('[MQTT-3.3.2-7] keeps the aliases of two connections apart', async () => {
    const broker = await start();
    const subscriber = await broker.client();
    const [one, two] = [await broker.client(), await broker.client()];
    await subscriber.subscribe('#');

    one.publish('one', { properties: { topicAlias: 1 } });
    await one.settled();
    two.publish('two', { properties: { topicAlias: 1 } });
    await two.settled();
    one.publish('', { properties: { topicAlias: 1 } });

    expect((await readPublishes(subscriber, 3)).map(({ topic }) => topic)).toEqual(['one', 'two', 'one']);
  });

  it('[MQTT-3.3.2-7] forgets the aliases at the end of the connection, though the session goes on', async () => {
    const broker = await start();
    const first = await resume(broker, 'publisher');
    first.publish('a', { properties: { topicAlias: 1 } });
    await leave(first);

    const second = await resume(broker, 'publisher');
    second.publish('', { properties: { topicAlias: 1 } });

    await expectRefused(second, 0x82);
  });

  it('[MQTT-3.3.2-8] closes the connection on alias 0', async () => {
    const broker = await start();
    const client = await broker.client();

    client.publish('a', { properties: { topicAlias: 0 } });

    await expectRefused(client, 0x94);
  });

  it('[MQTT-3.3.2-9] closes the connection on an alias above its maximum', async () => {
    const broker = await start({ limits: { topicAliasMaximum: 5 } });
    const client = await broker.open();
    const { properties } = await client.connect();
    expect(properties?.topicAliasMaximum).toBe(5);

    client.publish('a', { properties: { topicAlias: 6 } });

    await expectRefused(client, 0x94);
  });

  it('[MQTT-3.3.2-9] announces no maximum when it takes no alias, and refuses every one', async () => {
    const broker = await start({ limits: { topicAliasMaximum: 0 } });
    const client = await broker.open();
    const { properties } = await client.connect();
    expect(properties?.topicAliasMaximum ?? 0).toBe(0);

    client.publish('a', { properties: { topicAlias: 1 } });

    await expectRefused(client, 0x94);
  });

  it.each([undefined, 0])(
    '[MQTT-3.3.2-11] sends no alias to a client whose maximum is %s',
    async (topicAliasMaximum) => {
      const broker = await start();
      const subscriber = await broker.client(5, {
        properties: topicAliasMaximum === undefined ? {} : { topicAliasMaximum },
      });
      const publisher = await broker.client();
      await subscriber.subscribe('#', { qos: 1 });

      for (const qos of [0, 1, 0, 1] as const) publisher.publish('a/rather/long/topic/name', { qos, payload: 'x' });

      const packets = await readPublishes(subscriber, 4);
      expect(packets.map(({ topic }) => topic)).toEqual(Array.from({ length: 4 }, () => 'a/rather/long/topic/name'));
      expect(packets.map(({ properties }) => properties?.topicAlias)).toEqual(Array.from({ length: 4 }));
    },
  );

  it.each([1, 2, 10, 65_535])(
    '[MQTT-3.3.2-8] [MQTT-3.3.2-11] sends only aliases from 1 to the client’s maximum of %i, and means the right topics',
    async (topicAliasMaximum) => {
      const broker = await start();
      const subscriber = await broker.client(5, { properties: { topicAliasMaximum } });
      const publisher = await broker.client();
      await subscriber.subscribe('#', { qos: 1 });
      const topics = Array.from({ length: 200 }, (_, index) => `rather/long/topic/name/${(index * index) % 17}`);

      for (const [index, topic] of topics.entries()) {
        publisher.publish(topic, { qos: (index % 2) as 0 | 1, payload: topic });
      }

      expect(await resolvedTopics(subscriber, topics.length, topicAliasMaximum)).toEqual(topics);
    },
  );

  it('[MQTT-3.3.2-7] sets its aliases anew on a new connection, for what is sent again as well', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const properties = { topicAliasMaximum: 10 };
    const first = await resume(broker, 'sub', properties);
    await first.subscribe('#', { qos: 1 });
    const topics = ['one/long/topic', 'one/long/topic', 'two/long/topic', 'two/long/topic', 'one/long/topic'];
    for (const topic of topics) await publishKept(publisher, topic, { payload: topic });
    expect(await resolvedTopics(first, topics.length, 10)).toEqual(topics);
    first.drop();

    const second = await resume(broker, 'sub', properties);
    expect(await resolvedTopics(second, topics.length, 10)).toEqual(topics);
    second.drop();

    const third = await resume(broker, 'sub');
    expect(await resolvedTopics(third, topics.length, 0)).toEqual(topics);
  });

  it('[MQTT-3.3.2-11] lets a retained message, its copy in a queue and a live one resolve to their topics', async () => {
    const broker = await start();
    const publisher: WireClient = await broker.client();
    const topics = Array.from({ length: 30 }, (_, index) => `long/topic/name/${index}`);
    for (const topic of topics) await publishKept(publisher, topic, { payload: topic, retain: true });
    const subscriber = await subscriberWithAliases(broker, 7);

    const retained = await resolvedTopics(subscriber, topics.length, 7);
    expect([...retained].sort()).toEqual([...topics].sort());
  });

  async function subscriberWithAliases(broker: TestBroker, topicAliasMaximum: number): Promise<WireClient> {
    const subscriber = await broker.client(5, { properties: { topicAliasMaximum } });
    await subscriber.subscribe('long/#', { qos: 1 });
    return subscriber;
  }

  /** Reads as a client with an alias table does; every payload is the topic that was meant. */
  async function resolvedTopics(client: WireClient, count: number, maximum: number): Promise<string[]> {
    const table = new Map<number, string>();
    const topics: string[] = [];
    for (const { topic, properties, payload } of await readPublishes(client, count)) {
      const alias = properties?.topicAlias;
      if (alias !== undefined) {
        expect(alias).toBeGreaterThanOrEqual(1);
        expect(alias).toBeLessThanOrEqual(maximum);
        if (topic !== '') table.set(alias, topic);
      }
      const resolved = topic === '' ? table.get(alias!) : topic;
      expect(resolved).toBe(payload.toString());
      topics.push(resolved!);
    }
    return topics;
  }
});
