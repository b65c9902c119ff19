import { describe, expect, it } from '@jest/globals';
import { PacketType } from '../../lib/protocol/packets.js';
import { cluster, until, untilQueued, untilWanted } from '../support/cluster.js';
import { publishWhole } from '../support/exchanges.js';
import type { WireClient } from '../support/wire-client.js';
import { publishOf, readPublishes, resume, sendTogether } from '../support/scenario.js';

const { start, startShared, redis } = cluster();
/** Nothing but what messages cost. */
const quiet = { heartbeatMs: 60_000, leaseMs: 600_000 };

describe('what messages cost Redis', () => {
  it('nothing at any QoS while no other node wants them', async () => {
    const one = await start(quiet);
    await start(quiet);
    const subscriber = await one.client();
    await subscriber.subscribe('a/#', { qos: 2 });
    const publisher = await one.client();
    await publisher.settled();
    const before = await callsWithoutOurs();

    for (const qos of [0, 1, 2] as const) await publishWhole(publisher, 'a/b', { payload: 'x', qos });

    for (const qos of [0, 1, 2]) await subscriber.expectPublish('a/b', 'x', { qos });
    expect(await callsWithoutOurs()).toEqual(before);
  });

  it.each([
    [0, 'publish'],
    [1, 'xadd'],
  ] as const)('at QoS %d one %s for each interested node and tick', async (qos, command) => {
    const nodes = [await start(quiet), await start(quiet), await start(quiet), await start(quiet)];
    const subscribers = await Promise.all(nodes.slice(2).map((node) => node.client()));
    for (const subscriber of subscribers) await subscriber.subscribe(['a/#', 'a/+'], { qos });
    await untilWanted(nodes[0], 'a/b', 2);
    const publisher = await nodes[0].client();
    const before = (await callsWithoutOurs())[command] ?? 0;

    const together = Array.from({ length: 50 }, (_, index) => publishOf('a/b', { qos, packetId: qos && index + 1 }));
    sendTogether(publisher, together);
    for (const subscriber of subscribers) {
      for (let count = 0; count < 50; count++) await subscriber.next(PacketType.PUBLISH);
    }

    expect((await callsWithoutOurs())[command] - before).toBe(2);
  });

  it('at QoS 1 one script for each session and tick, wherever its client is, and one for what it acknowledges', async () => {
    const [one, other] = [await startShared(quiet), await startShared(quiet)];
    const [here, elsewhere, away] = [await resume(one, 'a'), await resume(other, 'b'), await resume(other, 'c')];
    for (const client of [here, elsewhere, away]) await client.subscribe('t/#', { qos: 1 });
    away.drop();
    await until(() => !other.broker.sessions.has('c'));
    await untilQueued(one, 't/1', 2);
    const publisher = await one.client();
    await publisher.settled();
    const before = await callsWithoutOurs();

    const together = Array.from({ length: 50 }, (_, index) => publishOf('t/1', { qos: 1, packetId: index + 1 }));
    sendTogether(publisher, together);
    for (const client of [here, elsewhere]) await readPublishes(client, 50);
    const routed = callsBetween(before, await callsWithoutOurs());
    sendTogether(
      here,
      together.map(({ packetId }) => ({ type: PacketType.PUBACK, packetId, reasonCode: 0 })),
    );
    await here.settled();

    // And the other node is told of what stands in its client's queue.
    expect(scriptsOf(routed)).toBe(3);
    expect(routed.publish).toBe(1);
    expect(scriptsOf(callsBetween(before, await callsWithoutOurs()))).toBe(4);
  });

  it('four commands for a CONNECT, six with a session that is new and seven with one that is there', async () => {
    const one = await startShared(quiet);
    await startShared(quiet);
    const costOf = async (connect: () => Promise<WireClient>): Promise<number> => {
      const before = await callsWithoutOurs();
      await (await connect()).settled();
      const calls = callsBetween(before, await callsWithoutOurs());
      // What scripts do inside is counted by Redis as well.
      return ['incr', 'eval', 'evalsha', 'publish', 'sadd', 'zrem'].reduce((sum, name) => sum + (calls[name] ?? 0), 0);
    };

    expect(await costOf(() => one.client(5, { clientId: 'x' }))).toBe(4);
    let client: WireClient | undefined;
    expect(await costOf(async () => (client = await resume(one, 'c')))).toBe(6);
    client!.drop();
    await until(() => !one.broker.sessions.has('c'));
    // Behind the end of that connection.
    await one.client(5, { clientId: 'x' });
    expect(await costOf(() => resume(one, 'c'))).toBe(7);
  });
});

/** Calls by command but for those that asking costs. */
async function callsWithoutOurs(): Promise<Record<string, number>> {
  const { info: _, client: __, hello: ___, xread: ____, ...calls } = await redis().calls();
  return Object.fromEntries(Object.entries(calls).filter(([name]) => !name.includes('|')));
}

function callsBetween(before: Record<string, number>, after: Record<string, number>): Record<string, number> {
  const calls = Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)] as const);
  return Object.fromEntries(calls);
}

const scriptsOf = ({ eval: whole = 0, evalsha = 0 }: Record<string, number>): number => whole + evalsha;
