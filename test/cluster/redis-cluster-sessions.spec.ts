import { describe, expect, it } from '@jest/globals';
import { TcpListener } from '../../lib/listeners/tcp.listener.js';
import { PacketType, type PublishPacket } from '../../lib/protocol/packets.js';
import { redisKeys, type RedisRouterOptions } from '../../lib/redis/redis-options.js';
import { nodesAround, until, untilQueued } from '../support/cluster.js';
import { acknowledgeWhole, publishWhole } from '../support/exchanges.js';
import { testRedisCluster } from '../support/redis-cluster.js';
import { leave, packetIdsOf, payloadsOf, readAll, readPublishes, resume } from '../support/scenario.js';
import { SteadyPublisher, SteadySubscriber } from '../support/steady-clients.js';
import type { WireClient } from '../support/wire-client.js';

const redis = testRedisCluster();
const { startShared: start, prefix } = nodesAround(() => ({ cluster: redis().addresses.slice(0, 1) }));
const { PUBCOMP, PUBREC, PUBREL } = PacketType;

const queueOf = (clientId: string): string => redisKeys(prefix()).sessionOf(clientId).queue;

describe('a session in a Redis Cluster', () => {
  it('[MQTT-4.4.0-1] goes on at the other node with what is in flight and queued, at QoS 1 and 2, in order', async () => {
    const [one, other] = [await start(), await start()];
    const first = await resume(one, 'sub');
    await first.subscribe('a', { qos: 2 });
    await untilQueued(other, 'a');
    const publisher = await other.client();
    const publishAll = (numbers: readonly number[]) => publishAlternately(publisher, numbers);
    await publishAll([0, 1, 2, 3]);
    const sent = packetIdsOf(await readPublishes(first, 4));
    first.acknowledge(PUBREC, sent[1]);
    await first.expect({ type: PUBREL, packetId: sent[1] });
    await leave(first);
    await publishAll([4, 5, 6, 7]);

    const again = await resume(other, 'sub');
    const packets = await readAll(again);

    const publishes = packets.filter(({ type }) => type === PacketType.PUBLISH) as PublishPacket[];
    expect(payloadsOf(publishes)).toEqual(['0', '2', '3', '4', '5', '6', '7']);
    expect(publishes.map(({ qos }) => qos)).toEqual([1, 1, 2, 1, 2, 1, 2]);
    expect(publishes.map(({ dup }) => dup)).toEqual([true, true, true, false, false, false, false]);
    expect(packetIdsOf(publishes).slice(0, 3)).toEqual([sent[0], sent[2], sent[3]]);
    expect(packets.filter(({ type }) => type === PUBREL)).toMatchObject([{ packetId: sent[1] }]);
    again.acknowledge(PUBCOMP, sent[1]);
    for (const publish of publishes) await acknowledgeWhole(again, publish);
    await leave(again);
    expect(await readAll(await resume(one, 'sub'))).toEqual([]);
  });

  it('[MQTT-3.3.1-6] is sent what was retained at the other node when it subscribes', async () => {
    const [one, other] = [await start(), await start()];
    const publisher = await resume(one, 'pub');
    await publishWhole(publisher, 'r/1', { payload: 'old', qos: 1, retain: true });
    for (const qos of [1, 2] as const)
      await publishWhole(publisher, `r/${qos}`, { payload: 'kept', qos, retain: true });
    await until(() => other.broker.retained.get('r/2') !== undefined);

    const subscriber = await resume(other, 'sub');
    await subscriber.subscribe('r/+', { qos: 2 });

    const publishes = await readPublishes(subscriber, 2);
    const received = publishes.map(({ topic, payload, qos, retain }) => ({
      topic,
      payload: String(payload),
      qos,
      retain,
    }));
    expect(received.sort((first, second) => first.qos - second.qos)).toEqual([
      { topic: 'r/1', payload: 'kept', qos: 1, retain: true },
      { topic: 'r/2', payload: 'kept', qos: 2, retain: true },
    ]);
  });

  it('[MQTT-3.1.2-8] has its will published into the queue of one that is away', async () => {
    const [one, other] = [await start(), await start()];
    const subscriber = await resume(other, 'sub');
    await subscriber.subscribe('wills', { qos: 2 });
    await leave(subscriber);
    await untilQueued(one, 'wills');
    const client = await one.open();
    const will = { topic: 'wills', payload: Buffer.from('gone'), qos: 2, retain: false } as const;
    await client.connect({ clientId: 'c', cleanStart: false, properties: { sessionExpiryInterval: 3600 }, will });

    client.drop();
    await until(() => one.router.counters.messagesQueued === 1);

    expect(payloadsOf(await readAll(await resume(one, 'sub')))).toEqual(['gone']);
  });

  it('[MQTT-4.3.3-10] ends a QoS 2 exchange at the other node that was cut between PUBREC and PUBREL', async () => {
    const [one, other] = [await start(), await start()];
    await (await resume(other, 'sub')).subscribe('a', { qos: 2 });
    await untilQueued(one, 'a');
    const publisher = await resume(one, 'pub');
    const packetId = publisher.publish('a', { payload: 'x', qos: 2 });
    await publisher.expect({ type: PUBREC, packetId });
    publisher.drop();

    const again = await resume(other, 'pub');
    again.publish('a', { payload: 'x', qos: 2, packetId, dup: true });
    await again.expect({ type: PUBREC, packetId, reasonCode: 0 });
    again.acknowledge(PUBREL, packetId);
    await again.expect({ type: PUBCOMP, packetId, reasonCode: 0 });

    expect(payloadsOf(await readAll(await resume(one, 'sub')))).toEqual(['x']);
  });
});

describe('a slot with keys of sessions that moves to another server', () => {
  const options = { commandTimeoutMs: 1000 };

  it.each(['at once', 'so slowly that commands are given up'])(
    'moves %s under QoS 1 and 2: nothing acknowledged is lost, order stays, at QoS 2 once',
    async (how) => {
      const ports = [await startAtPort(options), await startAtPort(options)];
      const away = new SteadySubscriber('away', () => ports[0], 'a/#').start();
      const connected = new SteadySubscriber('connected', () => ports[1], 'a/#').start();
      await until(() => away.isThere && connected.isThere);
      await away.stop();
      const publishers = [1, 2].map((qos) =>
        new SteadyPublisher(`pub ${qos}`, () => ports[0], `a/${qos}`, qos as 1 | 2).start(),
      );
      const all = [away, connected, ...publishers];
      try {
        for (const clientId of ['away', 'connected', 'pub 2']) {
          await moreFrom(publishers, 100);
          const before = publishers.map(({ ends }) => ends);
          const isOneCutOff = () => publishers.some(({ ends }, index) => ends > before[index]);
          await redis().moveSlotOf(queueOf(clientId), () =>
            how === 'at once' ? Promise.resolve() : until(isOneCutOff),
          );
          await moreFrom(publishers, 100);
        }
        for (const publisher of publishers) publisher.goal = 0;
        away.start();
        const haveAll = () =>
          publishers.every(({ topic, acknowledged }) =>
            [away, connected].every(({ next }) => (next.get(topic) ?? 0) >= acknowledged),
          );
        await until(haveAll);
      } finally {
        await Promise.all(all.map((client) => client.stop()));
      }

      expect(all.flatMap(({ faults }) => faults)).toEqual([]);
    },
  );
});

/** Publishes numbers, the even ones at QoS 1, the odd ones at QoS 2. */
async function publishAlternately(publisher: WireClient, numbers: readonly number[]): Promise<void> {
  for (const number of numbers) {
    await publishWhole(publisher, 'a', { payload: String(number), qos: number % 2 === 0 ? 1 : 2 });
  }
}

/** Starts a node; gives the port where clients connect. */
async function startAtPort(options: RedisRouterOptions): Promise<number> {
  const listener = new TcpListener({ port: 0, host: '127.0.0.1' });
  await start(options, { listeners: [listener] });
  return listener.port;
}

/** Waits until each has so many more acknowledged. */
async function moreFrom(publishers: readonly SteadyPublisher[], count: number): Promise<void> {
  const wanted = publishers.map(({ acknowledged }) => acknowledged + count);
  await until(() => publishers.every(({ acknowledged }, index) => acknowledged >= wanted[index]));
}
