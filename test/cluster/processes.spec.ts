import { describe, expect, it } from '@jest/globals';
import { PacketType } from '../../lib/protocol/packets.js';
import { cluster, until, untilWanted } from '../support/cluster.js';
import { publishWhole, receiveWhole } from '../support/exchanges.js';
import { nodeProcesses } from '../support/node-process.js';
import type { WireClient } from '../support/wire-client.js';

const { start, redis, prefix } = cluster();
const lease = { leaseMs: 1000, heartbeatMs: 200 };
const startProcess = nodeProcesses(() => ({ port: redis().port, keyPrefix: prefix(), ...lease }), 'MemoryStore');

describe('nodes that are processes of their own', () => {
  it('take messages to each other at every QoS', async () => {
    const [one, other] = [await startProcess(), await startProcess()];
    const subscriber = await other.client();
    await subscriber.subscribe('a/+', { qos: 2 });
    const publisher = await one.client();
    // The first ones may come before the other node is known to want them.
    await untilHeard(publisher, subscriber);

    for (const qos of [0, 1, 2] as const) {
      await publishWhole(publisher, 'a/b', { payload: `qos ${qos}`, qos });
      await receiveWhole(subscriber, 'a/b', `qos ${qos}`, { qos });
    }
    for (const client of [publisher, subscriber]) client.drop();
  });

  it('are forgotten soon after they were killed, and nothing of them stays in Redis', async () => {
    const here = await start(lease);
    const { program, client } = await startProcess();
    const subscriber = await client();
    await subscriber.subscribe('a/+', { qos: 1 });
    await untilWanted(here, 'a/b');
    const [name] = here.router.otherNodes;

    program.kill('SIGKILL');
    await untilWanted(here, 'a/b', 0);

    await until(() => here.logged.some((line) => line === `warn node gone node=${name}: its lease has run out`));
    const left = await redis().with((connection) => connection.keys(`*${prefix()}*${name}*`));
    expect(left).toEqual([]);
    const publisher = await here.client();
    publisher.publish('a/b', { qos: 1 });
    await publisher.expect({ type: PacketType.PUBACK, reasonCode: 0x10 });
  });

  it('say goodbye when they stop', async () => {
    // Its lease alone would be long.
    const here = await start({ leaseMs: 600_000 });
    const { program, client } = await startProcess();
    const subscriber = await client();
    await subscriber.subscribe('a');
    await untilWanted(here, 'a');

    program.kill('SIGTERM');
    await program.finished;

    await untilWanted(here, 'a', 0);
    expect(here.router.otherNodes).toEqual([]);
  });

  it('are asked again after a pause in which they were taken for dead', async () => {
    const here = await start(lease);
    const { program, client } = await startProcess();
    const subscriber = await client();
    await subscriber.subscribe('a', { qos: 1 });
    await untilWanted(here, 'a');

    program.kill('SIGSTOP');
    await untilWanted(here, 'a', 0);
    program.kill('SIGCONT');

    await untilWanted(here, 'a');
    const publisher = await here.client();
    await publishWhole(publisher, 'a', { payload: 'x', qos: 1 });
    await subscriber.expectPublish('a', 'x', { qos: 1 });
    subscriber.drop();
  });
});

/** Publishes until a message arrives, and reads all that arrived. */
async function untilHeard(publisher: WireClient, subscriber: WireClient): Promise<void> {
  for (let isHeard = false; !isHeard;) {
    const packetId = publisher.publish('a/first', { qos: 1 });
    const { reasonCode } = (await publisher.expect({ type: PacketType.PUBACK, packetId })) as { reasonCode: number };
    isHeard = reasonCode === 0;
  }
  await receiveWhole(subscriber, 'a/first', '', { qos: 1 });
}
