import { describe, expect, it } from '@jest/globals';
import { PacketType } from '../../lib/protocol/packets.js';
import { cluster, untilWanted } from '../support/cluster.js';
import { publishWhole } from '../support/exchanges.js';
import { publishOf, sendTogether } from '../support/scenario.js';

const { start, redis } = cluster();
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
});

/** Calls by command but for those that asking costs. */
async function callsWithoutOurs(): Promise<Record<string, number>> {
  const { info: _, client: __, hello: ___, xread: ____, ...calls } = await redis().calls();
  return Object.fromEntries(Object.entries(calls).filter(([name]) => !name.includes('|')));
}
