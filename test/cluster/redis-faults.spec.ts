import { afterEach, describe, expect, it } from '@jest/globals';
import { PacketType } from '../../lib/protocol/packets.js';
import { ReasonCode } from '../../lib/protocol/reason-codes.js';
import { cluster, until, untilQueued, type ClusterNode } from '../support/cluster.js';
import { payloads, publishWhole, receiveAll } from '../support/exchanges.js';
import { leave, payloadsOf, publishKept, readPublishes, resume } from '../support/scenario.js';
import type { WireClient } from '../support/wire-client.js';

const { startShared, redis } = cluster({ keepsOnDisk: true });
const start = () => startShared({ commandTimeoutMs: 1000, heartbeatMs: 100, retryMs: 20 });
const { PUBCOMP, PUBLISH, PUBREC, PUBREL } = PacketType;
const durable = { cleanStart: false, properties: { sessionExpiryInterval: 3600 } };

const tell = (...[command, ...values]: readonly string[]) =>
  redis().with((connection) => connection.call(command, ...values));

afterEach(async () => {
  redis().thaw();
  await tell('CONFIG', 'SET', 'maxmemory', '0');
  await tell('REPLICAOF', 'NO', 'ONE');
});

describe('Redis that was killed and started again with its data', () => {
  it('[A42] sessions go on with their queues, in flight as well; what was not acknowledged is sent again', async () => {
    const [one, other] = [await start(), await start()];
    const subscriber = await resume(one, 'sub');
    await subscriber.subscribe('a', { qos: 2 });
    await untilQueued(other, 'a');
    const publisher = await resume(other, 'pub');
    await publishKept(publisher, 'a', { payload: '1' });
    await publishWhole(publisher, 'a', { payload: '2', qos: 2 });
    const [first, second] = await readPublishes(subscriber, 2);
    subscriber.acknowledge(PUBREC, second.packetId);
    await subscriber.expect({ type: PUBREL, packetId: second.packetId });

    await redis().kill();
    const lost = publisher.publish('a', { payload: '3', qos: 2 });
    await publisher.expectClosed();
    await redis().run();
    await ready(one, other);

    const again = await resume(other, 'pub');
    again.publish('a', { payload: '3', qos: 2, packetId: lost, dup: true });
    await again.expect({ type: PUBREC, packetId: lost });
    again.acknowledge(PUBREL, lost);
    await again.expect({ type: PUBCOMP, packetId: lost });
    const elsewhere = await resume(other, 'sub');
    const packets = [await elsewhere.next(), await elsewhere.next(), await elsewhere.next()];
    const published = packets.filter(({ type }) => type === PUBLISH);
    expect(payloadsOf(published)).toEqual(['1', '3']);
    expect(published[0]).toMatchObject({ packetId: first.packetId, dup: true });
    expect(packets.find(({ type }) => type === PUBREL)).toMatchObject({ packetId: second.packetId });
    await elsewhere.expectNothing();
  });

  it('[A42] meanwhile who has a session gets 0x88, or return code 3, and who wants none is let in', async () => {
    const one = await start();
    await redis().kill();
    await until(() => !one.router.isReady);

    const [five, four] = [await one.open(5), await one.open(4)];
    expect((await five.connect({ clientId: 'five', ...durable })).reasonCode).toBe(ReasonCode.ServerUnavailable);
    expect((await four.connect({ clientId: 'four', cleanStart: false })).reasonCode).toBe(3);
    for (const version of [5, 4] as const) {
      const clean = await one.client(version, { clientId: `clean ${version}` });
      await clean.subscribe('here', { qos: 1 });
    }

    await redis().run();
    await ready(one);
    await resume(one, 'five');
  });

  it('[A42] the same while it answers nothing', async () => {
    const one = await start();
    redis().freeze();

    const [durableOne, clean] = [await one.open(), await one.open()];
    durableOne.sendConnect({ clientId: 'durable', ...durable });
    clean.sendConnect({ clientId: 'clean' });

    await clean.expect({ type: PacketType.CONNACK, reasonCode: 0 });
    await durableOne.expect({ type: PacketType.CONNACK, reasonCode: ReasonCode.ServerUnavailable });
    redis().thaw();
    await ready(one);
    await eventually(() => resume(one, 'durable'));
    await clean.expectNothing();
  });
});

describe.each(['FLUSHALL', 'a start without its data'])('after %s', (fault) => {
  const forget = async (...nodes: ClusterNode[]) => {
    if (fault === 'FLUSHALL') await tell('FLUSHALL');
    else {
      await redis().kill();
      await redis().run({ isEmpty: true });
      await ready(...nodes);
    }
  };

  it('[A42] clients are cut off and told that there is no session; new ones are as good as before', async () => {
    const [one, other] = [await start(), await start()];
    const subscriber = await resume(one, 'sub');
    await subscriber.subscribe(['a', '$share/g/b'], { qos: 1 });
    await leave(await resume(one, 'away'));
    await untilQueued(other, 'a');
    const clean = await one.client();
    await clean.subscribe('c', { qos: 1 });
    // Redis has lost it: who brings it again can be sure of it.
    const will = { topic: 'c', payload: Buffer.from('will'), qos: 1, retain: false } as const;
    const withWill = await one.client(5, { will });

    await forget(one, other);

    for (const client of [subscriber, withWill]) await client.expectClosed();
    for (const [node, clientId] of [
      [one, 'away'],
      [other, 'sub'],
    ] as const) {
      // prettier-ignore
      const again = await node.open();
      await until(() => node.router.isReady);
      expect((await again.connect({ clientId, ...durable })).sessionPresent).toBe(false);
    }
    // Nobody has subscribed any more, on whichever node.
    await until(() => [one, other].every(({ broker }) => broker.topics.match('a').targets.length === 0));
    const again = await resume(other, 'sub');
    await again.subscribe('a', { qos: 1 });
    await untilQueued(one, 'a');
    const publisher = await one.client();
    await publishKept(publisher, 'a', { payload: 'new' });
    await again.expectPublish('a', 'new', { dup: false });
    await publishKept(await other.client(), 'c', { payload: 'clean' });
    await clean.expectPublish('c', 'clean');
  });
});

describe.each([
  ['READONLY', ['REPLICAOF', '127.0.0.1', '1'], ['REPLICAOF', 'NO', 'ONE']],
  ['out of memory', ['CONFIG', 'SET', 'maxmemory', '1'], ['CONFIG', 'SET', 'maxmemory', '0']],
] as const)('Redis that is %s', (_, fault, repair) => {
  it('[A42] nothing is acknowledged that is not kept, and all goes on behind it', async () => {
    const [one, other] = [await start(), await start()];
    const subscriber = await resume(one, 'sub');
    await subscriber.subscribe('a', { qos: 2 });
    await untilQueued(other, 'a');
    const publisher = await resume(other, 'pub');
    await publishWhole(publisher, 'a', { payload: '1', qos: 1 });
    await publishWhole(publisher, 'a', { payload: '2', qos: 2 });
    const [, second] = await readPublishes(subscriber, 2);
    const dying = await resume(one, 'dying', {});
    const will = { topic: 'a', payload: Buffer.from('will'), qos: 1, retain: false } as const;
    const mourned = await one.client(5, { clientId: 'mourned', will });

    await tell(...fault);
    const kept = publisher.publish('a', { payload: '3', qos: 2 });
    await publisher.expectClosed();
    subscriber.acknowledge(PUBREC, second.packetId);
    await subscriber.expectClosed();
    const refused = await other.open();
    expect((await refused.connect({ clientId: 'new', ...durable })).reasonCode).toBe(ReasonCode.ServerUnavailable);
    await other.client(5, { clientId: 'clean' });
    for (const client of [dying, mourned]) client.drop();
    await until(() => !one.broker.sessions.has('mourned'));
    await tell(...repair);
    await ready(one, other);

    const again = await eventually(() => resume(other, 'pub'));
    again.publish('a', { payload: '3', qos: 2, packetId: kept, dup: true });
    await again.expect({ type: PUBREC, packetId: kept });
    again.acknowledge(PUBREL, kept);
    await again.expect({ type: PUBCOMP, packetId: kept });
    const elsewhere = await eventually(() => resume(other, 'sub'));
    const heard: string[] = [];
    while (heard.length < 4) heard.push(...payloads(await receiveAll(elsewhere)));
    expect(heard.filter((payload) => payload !== 'will')).toEqual(['1', '2', '3']);
    expect(heard).toContain('will');
    expect(payloads(await receiveAll(elsewhere))).toEqual([]);
  });
});

const ready = (...nodes: ClusterNode[]): Promise<void> => until(() => nodes.every(({ router }) => router.isReady));

/** Redis may be there, and this node not yet. */
async function eventually(connect: () => Promise<WireClient>): Promise<WireClient> {
  const deadline = performance.now() + 5000;
  for (;;) {
    try {
      return await connect();
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
  }
}
