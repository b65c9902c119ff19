import { describe, expect, it } from '@jest/globals';
import { PacketType } from '../../lib/protocol/packets.js';
import type { RedisSessions } from '../../lib/redis/redis-sessions.js';
import { cluster, until, untilQueued, type ClusterNode } from '../support/cluster.js';
import { leave, payloadsOf, publishKept, readAll, resume } from '../support/scenario.js';
import type { WireClient } from '../support/wire-client.js';

const { startShared: start, redis, prefix } = cluster();
const isLong = Boolean(process.env.MQTTD_TEST_LONG);
const timeoutMs = isLong ? 300_000 : 15_000;

const session = { clientId: 'c', cleanStart: false, properties: { sessionExpiryInterval: 3600 } };

describe('the same client id', () => {
  it(
    '[A44] on two nodes at the same instant: exactly one connection stays, and it has the session',
    async () => {
      const nodes = [await start(), await start()];
      const publisher = await nodes[0].client();
      const before = await resume(nodes[0], 'c');
      await before.subscribe('a', { qos: 1 });
      await untilQueued(nodes[1], 'a');

      for (let round = 0; round < (isLong ? 1000 : 100); round++) {
        const clients = await Promise.all([...nodes, ...nodes].map((node) => node.open()));
        const connacks = await Promise.all(clients.map((client) => client.connect(session).catch(() => undefined)));
        for (const connack of connacks) if (connack?.reasonCode === 0) expect(connack.sessionPresent).toBe(true);
        await until(() => connectionsOf(nodes) === 1);
        await publishKept(publisher, 'a', { payload: String(round) });
        await until(() => nodes.some(({ broker }) => broker.sessions.get('c')?.inFlight === 1));
        const received = await Promise.all(clients.map((client) => acknowledgeAll(client)));
        expect(received.flat()).toEqual([String(round)]);
      }
      expect(sizes(nodes)).toEqual([1, 1, 1]);
    },
    timeoutMs,
  );

  it.each([1, 2])(
    '[A18] reconnecting as fast as it can on %d node(s): one connection in the end, and nothing grows',
    async (count) => {
      const nodes = [await start(), await start()];
      const first = await resume(nodes[0], 'c');
      await first.subscribe(['a', '$share/g/b'], { qos: 1 });
      const keys = (await redis().keysOfSessions(prefix())).length;

      let last = first;
      for (let round = 0; round < (isLong ? 30_000 : 400); round++) {
        const node = nodes[round % count];
        last = await node.open();
        last.sendConnect(session);
        // Some wait for their CONNACK, some are cut off before it, and most are overtaken by the next.
        if (round % 7 === 0) last.drop();
        else if (round % 5 === 0) await last.next().catch(() => {});
        else await new Promise((resolve) => setImmediate(resolve));
      }
      // One that was sent before may be behind it on its way, and win.
      do last = await nodes[0].open();
      while ((await last.connect(session)).reasonCode !== 0);

      await until(() => connectionsOf(nodes) === 1 && nodes.every(({ broker }) => broker.connections.size <= 1));
      expect(sizes(nodes)).toEqual([1, 1, 1]);
      // What was released last may be on its way.
      const deadline = performance.now() + 5000;
      let left: string[];
      do left = await redis().keysOfSessions(prefix());
      while (left.length > keys && performance.now() < deadline);
      expect(left).toHaveLength(keys);
      const publisher = await nodes[1].client();
      for (const topic of ['a', 'b']) await publishKept(publisher, topic, { payload: topic });
      await until(() => nodes[0].broker.sessions.get('c')?.inFlight === 2);
      expect(payloadsOf(await readAll(last))).toEqual(['a', 'b']);
    },
    timeoutMs,
  );
});

describe('a client that connects', () => {
  it('gets what is published in that moment at once, wherever it is published', async () => {
    // Nothing is found by looking after it now and then.
    const slow = { heartbeatMs: 300_000, leaseMs: 900_000 };
    const nodes = [await start(slow), await start(slow)];
    const publishers = await Promise.all(nodes.map((node) => node.client()));
    const first = await resume(nodes[0], 'c');
    await first.subscribe('a', { qos: 1 });
    await leave(first);
    await untilQueued(nodes[1], 'a');

    for (let round = 0; round < 200; round++) {
      const connecting = resume(nodes[0], 'c');
      for (let turns = round % 20; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
      await publishKept(publishers[round % 2], 'a', { payload: String(round) });
      const client = await connecting;
      const { packetId } = await client.expectPublish('a', String(round));
      client.acknowledge(PacketType.PUBACK, packetId);
      await client.settled();
      await leave(client);
    }
  });
});

const connectionsOf = (nodes: readonly ClusterNode[]): number =>
  nodes.filter(({ broker }) => broker.sessions.get('c')?.connection).length;

const sessionsOf = ({ broker }: ClusterNode): RedisSessions =>
  (broker.store as unknown as { sessions: RedisSessions }).sessions;

/** Over all nodes: sessions here, their entries for subscriptions, and owners of queues. */
function sizes(nodes: readonly ClusterNode[]): number[] {
  const all = nodes.map(sessionsOf);
  const sum = (sizeOf: (sessions: RedisSessions) => number) => all.reduce((total, one) => total + sizeOf(one), 0);
  return [
    sum((sessions) => sessions['here'].size),
    sum((sessions) => sessions.subscriptions['here'].size),
    sum(({ appends }) => appends.owners.size),
  ];
}

/** Payloads that came; nothing from a connection that is closed. */
async function acknowledgeAll(client: WireClient): Promise<string[]> {
  const received: string[] = [];
  client.send({ type: PacketType.PINGREQ });
  try {
    for (;;) {
      const packet = await client.next();
      if (packet.type === PacketType.PINGRESP) break;
      if (packet.type !== PacketType.PUBLISH) continue;
      received.push(String((packet as { payload?: Buffer }).payload));
      client.acknowledge(PacketType.PUBACK, (packet as { packetId: number }).packetId);
    }
    await client.settled();
  } catch {
    // Another connection has the client.
  }
  return received;
}
