import { describe, expect, it } from '@jest/globals';
import { PacketType } from '../../lib/protocol/packets.js';
import { cluster, until, type ClusterNode } from '../support/cluster.js';
import { payloads, publishWhole, receiveAll } from '../support/exchanges.js';
import { nodeProcesses } from '../support/node-process.js';
import { payloadsOf, publishKept, readAll, readPublishes, resume } from '../support/scenario.js';
import type { WireClient } from '../support/wire-client.js';

const { startShared, redis, prefix } = cluster();
const settings = { leaseMs: 1500, heartbeatMs: 300, sweepMs: 100 };
const startProcess = nodeProcesses(() => ({ port: redis().port, keyPrefix: prefix(), ...settings }));
const { PUBACK, PUBCOMP, PUBREC, PUBREL } = PacketType;
const share = '$share/g/a';

describe('a member of a group with a session in Redis', () => {
  it('[A45] [MQTT-4.8.2-4] leaves to another one what was not sent yet, when its connection ends; the rest waits for it', async () => {
    const { one, other, near, far, publisher } = await members({ receiveMaximum: 2 });
    for (const payload of ['1', '2', '3', '4']) await publishKept(publisher, 'a', { payload });
    await readPublishes(near, 2);

    near.drop();

    expect(await hear(far, 2)).toEqual(['3', '4']);
    await until(() => !one.broker.sessions.has('near'));
    const again = await resume(other, 'near');
    expect(await hear(again, 2)).toEqual(['1', '2']);
    expect(await hear(far, 0)).toEqual([]);
  });

  it('[A45] [MQTT-4.8.2-4] [MQTT-4.8.2-5] leaves to another one QoS 1 that it had got, when its session ends, and takes QoS 2 along', async () => {
    const { one, other, near, far, publisher } = await members();
    for (const [payload, qos] of [['1', 1], ['2', 2], ['3', 1], ['4', 2]] as const) await publishWhole(publisher, 'a', { payload, qos }); // prettier-ignore
    const [first, second] = await readPublishes(near, 4);
    near.acknowledge(PUBACK, first.packetId).acknowledge(PUBREC, second.packetId);
    await near.expect({ type: PUBREL });

    near.disconnect(0, { sessionExpiryInterval: 0 });
    await near.expectClosed();

    expect(await hear(far, 1)).toEqual(['3']);
    await until(() => [one, other].every(({ broker }) => !broker.sessions.has('near')));
    await publishKept(publisher, 'a', { payload: 'last' });
    expect(await hear(far, 1)).toEqual(['last']);
  });

  it('[A45] [MQTT-4.8.2-4] [MQTT-4.8.2-5] the same when its session ends while it is away', async () => {
    const { one, other, near, far, publisher } = await members({ sessionExpiryInterval: 60 });
    for (const [payload, qos] of [
      ['1', 1],
      ['2', 2],
    ] as const)
      await publishWhole(publisher, 'a', { payload, qos });
    await readPublishes(near, 2);
    near.drop();
    await until(() => !one.broker.sessions.has('near'));
    expect(await hear(far, 0)).toEqual([]);

    const heard: string[] = [];
    while (heard.length === 0) {
      for (const { clock } of [one, other]) clock.advance(61);
      heard.push(...(await hear(far, 0)));
    }

    expect(heard).toEqual(['1']);
    expect((await (await one.open()).connect({ clientId: 'near', cleanStart: false })).sessionPresent).toBe(false);
  });

  it('[A45] what a node had in hand when it died, another one hands to a member', async () => {
    const node = await startShared();
    const near = await resume(node, 'near');
    await near.subscribe(share, { qos: 2 });
    near.drop();
    await until(() => !node.broker.sessions.has('near'));
    const publisher = await node.client();
    for (const payload of ['1', '2']) await publishKept(publisher, 'a', { payload });
    await redis().with(async (connection) => {
      const [queue] = await connection.keys(`${prefix()}:q:*`);
      const record = await connection.hgetBuffer(queue, '0');
      const inHand = { until: node.clock.now() + 1000, '1.0': record! };
      await connection.hset(queue.replace(':q:', ':h:'), inHand);
      await connection.hdel(queue, '0');
      await connection.zadd(`{${prefix()}}:due`, inHand.until, 'near');
    });
    const far = await resume(node, 'far');
    await far.subscribe(share, { qos: 2 });
    expect(await hear(far, 0)).toEqual([]);

    const heard: string[] = [];
    while (heard.length === 0) {
      node.clock.advance(1);
      heard.push(...(await hear(far, 0)));
    }

    expect(heard).toEqual(['1']);
    const again = await resume(node, 'near');
    expect(await hear(again, 1)).toEqual(['2']);
    expect((await redis().keysOfSessions(prefix())).filter((key) => key.includes(':h:'))).toEqual([]);
  });

  it('[A45] [MQTT-4.3.3-10] gets a QoS 2 message that is routed again, as its first routing failed, and nobody else does', async () => {
    const quiet = { heartbeatMs: 60_000, leaseMs: 600_000 };
    const one = await startShared({ ...quiet, maximumInletFrames: 1 });
    const clients: WireClient[] = [];
    for (const node of [await startShared(quiet), await startShared(quiet)]) clients.push(await node.client());
    for (const client of clients) await client.subscribe(share, { qos: 2 });
    await until(() => one.router.otherRoutes.length === 2);
    const publisher = await resume(one, 'publisher');

    const packetId = publisher.publish('a', { payload: '1', qos: 2 });
    await publisher.expectClosed();
    await redis().with(async (connection) => {
      for (const inlet of await connection.keys(`*${prefix()}*:in:*`)) await connection.xtrim(inlet, 'MAXLEN', 0);
    });
    const again = await resume(one, 'publisher');
    await publishWhole(again, 'a', { payload: '1', qos: 2, packetId, dup: true });
    await publishKept(again, 'a', { payload: 'last' });

    const heard: string[] = [];
    while (!heard.includes('last') || !heard.includes('1')) {
      for (const client of clients) heard.push(...(await hear(client, 0)));
    }
    expect(heard.toSorted()).toEqual(['1', 'last']);
  });

  it('[A45] [MQTT-4.8.2-6] has refused a message: nobody else gets it', async () => {
    const { near, far, publisher } = await members();
    for (const [payload, qos] of [
      ['1', 1],
      ['2', 2],
    ] as const)
      await publishWhole(publisher, 'a', { payload, qos });
    const [first, second] = await readPublishes(near, 2);

    near.acknowledge(PUBACK, first.packetId, 0x80).acknowledge(PUBREC, second.packetId, 0x80);
    await near.settled();
    near.disconnect(0, { sessionExpiryInterval: 0 });
    await near.expectClosed();

    await publishKept(publisher, 'a', { payload: 'last' });
    expect(await hear(far, 1)).toEqual(['last']);
  });

  it('[A45] whose node is killed leaves QoS 1 to another one, sent or not; QoS 2 that may have been sent stays with its session', async () => {
    const [doomed, other] = [await startProcess(), await startProcess()];
    const near = await doomed.resume('near');
    await near.subscribe(share, { qos: 2 });
    const publisher = await doomed.client();
    for (const [payload, qos] of [['1', 1], ['2', 2], ['3', 1], ['4', 2]] as const) await publishWhole(publisher, 'a', { payload, qos }); // prettier-ignore
    const [first, second] = await readPublishes(near, 4);
    near.acknowledge(PUBACK, first.packetId).acknowledge(PUBREC, second.packetId);
    await near.expect({ type: PUBREL });
    await near.settled();
    const far = await other.resume('far');
    await far.subscribe(share, { qos: 2 });

    doomed.program.kill('SIGKILL');

    expect(await hear(far, 1)).toEqual(['3']);
    const again = await other.resume('near');
    const packets = await readAll(again);
    expect(payloadsOf(packets.filter(({ type }) => type === PacketType.PUBLISH))).toEqual(['4']);
    expect(packets.filter(({ type }) => type === PUBREL)).toMatchObject([{ packetId: second.packetId }]);
    expect(await hear(far, 0)).toEqual([]);
  });
});

interface Members {
  readonly one: ClusterNode;
  readonly other: ClusterNode;
  /** On the node where the messages enter, which prefers it. */
  readonly near: WireClient;
  readonly far: WireClient;
  readonly publisher: WireClient;
}

async function members(properties: Parameters<typeof resume>[2] = {}): Promise<Members> {
  const [one, other] = [await startShared(), await startShared()];
  const near = await resume(one, 'near', properties);
  const far = await resume(other, 'far');
  for (const member of [near, far]) await member.subscribe(share, { qos: 2 });
  await until(() => one.router.otherRoutes.length === 1 && other.router.otherRoutes.length === 1);
  return { one, other, near, far, publisher: await one.client() };
}

/** Waits for so many messages, and acknowledges all that come. */
async function hear(client: WireClient, count: number): Promise<string[]> {
  const heard: string[] = [];
  do {
    const packets = await receiveAll(client);
    heard.push(...payloads(packets));
    for (const { qos, packetId } of packets) if (qos === 2) client.acknowledge(PUBCOMP, packetId);
  } while (heard.length < count);
  return heard;
}
