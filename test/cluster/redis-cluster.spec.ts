import { describe, expect, it } from '@jest/globals';
import type { QoS } from '../../lib/protocol/packets.js';
import { ReasonCode } from '../../lib/protocol/reason-codes.js';
import { isMoving, RedisLink } from '../../lib/redis/redis-link.js';
import { redisKeys } from '../../lib/redis/redis-options.js';
import { nodesAround, until, untilWanted, type ClusterNode } from '../support/cluster.js';
import { payloads, publishWhole, receiveAll, receiveWhole } from '../support/exchanges.js';
import { testRedisCluster } from '../support/redis-cluster.js';
import { Sender, Sequence } from '../support/sender.js';
import type { WireClient } from '../support/wire-client.js';

const redis = testRedisCluster();
// One server is enough to find the others.
const { start, prefix } = nodesAround(() => ({ cluster: redis().addresses.slice(0, 1) }));

describe('nodes around a Redis Cluster', () => {
  it.each<QoS>([0, 1, 2])('exchange messages at QoS %d', async (qos) => {
    const [one, other] = [await start(), await start()];
    const subscriber = await other.client();
    await subscriber.subscribe('sensors/+/#', { qos });
    await untilWanted(one, 'sensors/7/temperature');

    const publisher = await one.client();
    await publishWhole(publisher, 'sensors/7/temperature', { payload: '21.5', qos });

    await receiveWhole(subscriber, 'sensors/7/temperature', '21.5', { qos });
  });

  it('share retained messages, also with one that joins later', async () => {
    const [one, other] = [await start(), await start()];
    const publisher = await one.client();

    for (const topic of ['a', 'b']) await publishWhole(publisher, topic, { payload: topic, retain: true, qos: 1 });
    await publishWhole(publisher, 'a', { payload: '', retain: true, qos: 1 });

    await until(() => other.broker.retained.size === 1);
    const late = await start();
    expect([...late.broker.retained.all()].map(({ topic }) => topic)).toEqual(['b']);
  });

  it('give each message of a shared subscription to one member over all of them', async () => {
    const [one, other] = [await start(), await start()];
    const members = [await other.client(), await other.client()];
    for (const member of members) await member.subscribe('$share/g/a/#', { qos: 1 });
    await until(() => one.router.otherRoutes.length === 1);
    const publisher = await one.client();

    for (let number = 0; number < 10; number++) {
      await publishWhole(publisher, 'a/b', { payload: String(number), qos: 1 });
    }

    const received: string[] = [];
    while (received.length < 10) for (const member of members) received.push(...payloads(await receiveAll(member)));
    expect(received.map(Number).sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('[MQTT-3.1.4-3] let a client go that connects to another one', async () => {
    const [one, other] = [await start(), await start()];

    for (const clientId of ['a', 'b', 'c', 'd']) {
      const before = await one.client(5, { clientId });
      await other.client(5, { clientId });
      await before.expectDisconnect(ReasonCode.SessionTakenOver);
    }
  });

  it('name the option where a server of it is taken for a single one', async () => {
    const owner = await redis().ownerOf(redisKeys(prefix()).nodes);
    const [{ port }] = redis().servers.filter((server) => server !== owner);

    await expect(start({ cluster: undefined, port })).rejects.toThrow(
      /^redis.host: 127.0.0.1:\d+ cannot be used \(MOVED .*\); this is a Redis Cluster: .* redis.cluster$/,
    );
  });
});

describe('a slot that moves to another server', () => {
  it('while QoS 1 and retained messages are under way: nothing acknowledged is lost, order and links stay', async () => {
    // Longer between two keys than a command for several of them is asked again.
    const options = { commandTimeoutMs: 1000 };
    const [one, other] = [await start(options), await start(options)];
    const subscriber = await other.client();
    await subscriber.subscribe('a', { qos: 1 });
    await untilWanted(one, 'a');
    const sender = new Sender(one);
    const retaining = await one.client();
    const heard = new Sequence();

    for (let round = 0; round < 2; round++) {
      const move = { isOver: false };
      const sent = sendWhile(sender, retaining, () => !move.isOver);
      try {
        await redis().moveSlotOf(redisKeys(prefix()).nodes, () => sender.untilAcknowledged(500));
        await sender.untilAcknowledged(50);
      } finally {
        move.isOver = true;
      }
      await sent;
      heard.take(payloads(await receiveAll(subscriber)));
    }
    while (heard.next < sender.acknowledged) heard.take(payloads(await receiveAll(subscriber)));

    expect(heard.gaps).toEqual([]);
    const lastRetained = String(sender.acknowledged - 10);
    await until(() => other.broker.retained.get('r')?.payload.toString() === lastRetained);
    expect([one, other].flatMap(troubles)).toEqual([]);
  });

  it.each(['each command for itself', 'together what waits'])(
    'does not bring commands out of order: %s',
    async (way) => {
      const key = `${prefix()}:order`;
      const link = await RedisLink.open({ cluster: redis().addresses }, 2000);
      const write = (numbers: readonly Buffer[]) => link.commands.rpush(key, ...numbers);
      const send = (number: Buffer) =>
        way === 'together what waits'
          ? link.turns.together(key, [number], write)
          : link.turns.inOrder(key, () => write([number]));
      const moves = { areOver: false };
      const moved = moveTenTimes(key).finally(() => (moves.areOver = true));

      const sent: Promise<unknown>[] = [];
      while (!moves.areOver) {
        sent.push(send(Buffer.from(String(sent.length))));
        await new Promise((resolve) => setImmediate(resolve));
        // More than that many are never under way.
        await sent.at(-100);
      }
      await Promise.all([...sent, moved]);

      const numbers = await link.commands.lrange(key, 0, -1);
      link.close();
      expect(numbers.map(Number)).toEqual([...sent.keys()]);
    },
  );

  it('makes a command for several keys wait, or fail, while only some of them have moved: the link stays', async () => {
    const keys = [1, 2].map((number) => `{${prefix()}}:${number}`);
    const link = await RedisLink.open({ cluster: redis().addresses }, 1000);
    await link.commands.mset(keys[0], 'x', keys[1], 'y');

    const failed: unknown[] = [];
    await redis().moveSlotOf(keys[0], async () => {
      if (failed.length === 0) failed.push(await link.commands.mget(keys).catch((error: unknown) => error));
    });
    link.noteError(failed[0]);

    expect(failed.map(isMoving)).toEqual([true]);
    expect(link.isOpen).toBe(true);
    expect(await link.commands.mget(keys)).toEqual(['x', 'y']);
    link.close();
  });

  it('takes its channels along: QoS 0 and takeovers go on', async () => {
    const [one, other] = [await start(), await start()];
    const subscriber = await other.client();
    await subscriber.subscribe('a');
    await untilWanted(one, 'a');
    const publisher = await one.client();
    const before = await one.client(5, { clientId: 'c' });
    const keys = redisKeys(prefix());

    await redis().moveSlotOf(keys.channel(other.router.node));
    await redis().moveSlotOf(keys.all);

    // What comes before it has subscribed anew is lost, as QoS 0 may be.
    await other.client(5, { clientId: 'c' });
    await before.expectDisconnect(ReasonCode.SessionTakenOver);
    for (let received = 0; received === 0;) {
      publisher.publish('a', { payload: 'x' });
      received = (await receiveAll(subscriber)).length;
    }
    expect([one, other].flatMap(troubles)).toEqual([]);
  });
});

describe('a server of a Redis Cluster that', () => {
  const soon = { commandTimeoutMs: 1000, heartbeatMs: 100 };

  it.each(['dies', 'answers nothing'])('%s makes the nodes wait for it, and come back', async (fault) => {
    const nodes = [await start(soon), await start(soon)];
    const server = await redis().ownerOf(redisKeys(prefix()).nodes);

    if (fault === 'dies') await server.kill();
    else server.freeze();
    await until(() => nodes.every(({ router }) => !router.isReady));
    if (fault === 'dies') await server.run();
    else server.thaw();
    await until(() => nodes.every(({ router }) => router.isReady));

    const subscriber = await nodes[1].client();
    await subscriber.subscribe('a', { qos: 1 });
    await untilWanted(nodes[0], 'a');
    await publishWhole(await nodes[0].client(), 'a', { payload: 'x', qos: 1 });
    await subscriber.expectPublish('a', 'x');
  });
});

async function moveTenTimes(key: string): Promise<void> {
  for (let round = 0; round < 10; round++) await redis().moveSlotOf(key);
}

/** Sends on and on, and before each ten messages retains how many were acknowledged. */
async function sendWhile(sender: Sender, retaining: WireClient, isWanted: () => boolean): Promise<void> {
  while (isWanted()) {
    retaining.publish('r', { payload: String(sender.acknowledged), retain: true });
    await sender.send(10);
  }
}

/** What the log of a node says of links that were lost. */
const troubles = ({ logged }: ClusterNode): string[] => logged.filter((line) => line.includes('Redis is away'));
