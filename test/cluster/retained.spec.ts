import { describe, expect, it } from '@jest/globals';
import { PacketType } from '../../lib/protocol/packets.js';
import { cluster, until, untilWanted } from '../support/cluster.js';
import { publishWhole } from '../support/exchanges.js';

const { start, redis, prefix } = cluster();

describe('retained messages of two nodes', () => {
  it('are there for a subscriber on the other node', async () => {
    const [one, other] = [await start(), await start()];
    const publisher = await one.client();
    await publishWhole(publisher, 'a/b', { payload: 'kept', retain: true, qos: 1, properties: { contentType: 't' } });
    await until(() => other.broker.retained.size === 1);

    const subscriber = await other.client();
    await subscriber.subscribe('a/#');

    await subscriber.expectPublish('a/b', 'kept', { retain: true, properties: { contentType: 't' } });
  });

  it('are there for a node that joins later', async () => {
    const one = await start();
    const publisher = await one.client();
    await publishWhole(publisher, 'a/b', { payload: 'first', retain: true, qos: 1 });
    await publishWhole(publisher, 'a/b', { payload: 'second', retain: true, qos: 1 });
    await publishWhole(publisher, 'a/c', { payload: 'x', retain: true, qos: 1 });
    await publishWhole(publisher, 'a/c', { payload: '', retain: true, qos: 1 });

    const late = await start();
    const subscriber = await late.client();
    await subscriber.subscribe('#');

    await subscriber.expectPublish('a/b', 'second', { retain: true });
    await subscriber.expectNothing();
  });

  it('survive the node that they entered at', async () => {
    const one = await start();
    const publisher = await one.client();
    await publishWhole(publisher, 'a', { payload: 'kept', retain: true, qos: 1 });
    await one.stop();

    const late = await start();

    expect(late.broker.retained.get('a')?.payload.toString()).toBe('kept');
  });

  it('are removed everywhere by an empty payload', async () => {
    const [one, other] = [await start(), await start()];
    const publisher = await one.client();
    await publishWhole(publisher, 'a', { payload: 'kept', retain: true, qos: 1 });
    await until(() => other.broker.retained.size === 1);

    const remover = await other.client();
    await publishWhole(remover, 'a', { payload: '', retain: true, qos: 1 });

    await until(() => one.broker.retained.size === 0);
    expect(await redis().with((client) => client.hlen(`{${prefix()}}:ret`))).toBe(0);
  });

  it('are the same everywhere when nodes write the same topic at once: the last writer wins', async () => {
    const nodes = [await start(), await start(), await start()];
    const publishers = await Promise.all(nodes.map((node) => node.client()));

    for (let round = 0; round < 50; round++) {
      for (const [index, publisher] of publishers.entries()) {
        publisher.publish('a', { payload: `${index}.${round}`, retain: true });
      }
      if (round % 7 === 0) await Promise.all(publishers.map((publisher) => publisher.expectNothing()));
    }
    for (const [index, publisher] of publishers.entries()) {
      await publishWhole(publisher, `end/${index}`, { payload: 'x', retain: true, qos: 1 });
    }
    await until(() => nodes.every(({ broker }) => [0, 1, 2].every((index) => broker.retained.get(`end/${index}`))));

    const values = new Set(nodes.map(({ broker }) => broker.retained.get('a')?.payload.toString()));
    expect(values.size).toBe(1);
  });

  it('reach a subscriber live whose node had not told yet that it wants them', async () => {
    const [one, other] = [await start(), await start()];
    const publisher = await one.client();
    const subscriber = await other.client();

    for (let round = 0; round < 30; round++) {
      const options = { qos: 1, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
      const subscriptions = [{ filter: `a/${round}`, ...options }];
      subscriber.send({ type: PacketType.SUBSCRIBE, packetId: 1, subscriptions });
      await publishWhole(publisher, `a/${round}`, { payload: 'x', retain: true, qos: 1 });

      // As what was retained, or live, which may overtake the SUBACK: once, never neither.
      const types = [(await subscriber.next()).type, (await subscriber.next()).type];
      expect(types.toSorted((low, high) => low - high)).toEqual([PacketType.PUBLISH, PacketType.SUBACK]);
    }
    await subscriber.expectNothing();
  });

  it('expire on every node by the time since they were published', async () => {
    const one = await start();
    const publisher = await one.client();
    const properties = { messageExpiryInterval: 10 };
    await publishWhole(publisher, 'a', { payload: 'x', retain: true, qos: 1, properties });
    await publishWhole(publisher, 'b', {
      payload: 'x',
      retain: true,
      qos: 1,
      properties: { messageExpiryInterval: 100 },
    });

    const late = await start({}, { clock: movedBy(40_000) });
    const subscriber = await late.client();
    await subscriber.subscribe('#');

    await subscriber.expectPublish('b', 'x', { properties: { messageExpiryInterval: 60 } });
    await subscriber.expectNothing();
    expect(await redis().with((client) => client.hkeys(`{${prefix()}}:ret`))).toEqual(['b']);
  });

  it('are not lost when they are published while the other node has a subscriber for all', async () => {
    const [one, other] = [await start(), await start()];
    const subscriber = await other.client();
    await subscriber.subscribe('#', { qos: 1 });
    await untilWanted(one, 'a');

    const publisher = await one.client();
    await publishWhole(publisher, 'a', { payload: 'x', retain: true, qos: 1 });

    await subscriber.expectPublish('a', 'x', { retain: false });
    await until(() => other.broker.retained.size === 1);
    await subscriber.expectNothing();
  });
});

/** The time of the tests' clocks, and so much later. */
const movedBy = (ms: number) => ({ now: () => 1_700_000_000_000 + ms, every: () => () => {} });
