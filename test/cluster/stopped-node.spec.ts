import { describe, expect, it } from '@jest/globals';
import { Message } from '../../lib/broker/message.js';
import { PacketType } from '../../lib/protocol/packets.js';
import { cluster, untilQueued } from '../support/cluster.js';
import { payloads, publishWhole, receiveAll, receiveWhole } from '../support/exchanges.js';
import { nodeProcesses, type NodeProcess } from '../support/node-process.js';
import { publishKept, readPublishes, resume } from '../support/scenario.js';

const { startShared: startHere, redis, prefix } = cluster();
const lease = { leaseMs: 1500, heartbeatMs: 300, sweepMs: 100 };
const start = nodeProcesses(() => ({ port: redis().port, keyPrefix: prefix(), ...lease }));
const { PUBACK, PUBCOMP, PUBREC, PUBREL, PUBLISH } = PacketType;

describe('a node that was stopped for longer than its lease', () => {
  it('[A41] cuts off its durable clients and those with a will, and their wills are published once', async () => {
    const [paused, other] = [await start(), await start()];
    const watcher = await other.client();
    await watcher.subscribe('will/#', { qos: 2 });
    const willOf = (name: string) => ({ topic: `will/${name}`, payload: Buffer.from(name), qos: 1, retain: false }) as const; // prettier-ignore
    const idle = await paused.resume('idle', { will: willOf('idle') });
    await idle.subscribe('a', { qos: 1 });
    const clean = await paused.client({ clientId: 'clean', will: willOf('clean') });

    await stop(paused, other);
    const wills = [...(await readPublishes(watcher, 2))];
    paused.program.kill('SIGCONT');

    for (const client of [idle, clean]) await client.expectClosed();
    await untilBack(paused);
    for (const node of [paused, other]) await publishUntilHeard(node, 'will/last', 'last');
    wills.push(...(await readPublishes(watcher, 2)));
    expect(payloads(wills).sort()).toEqual(['clean', 'idle', 'last', 'last']);
    await publishKept(await other.client(), 'a', { payload: 'x' });
    const again = await paused.resume('idle');
    await again.expectPublish('a', 'x');
  });

  it('[A41] does no more for a session: what its clients had said meanwhile is refused, and QoS 2 comes once', async () => {
    const [paused, other] = [await start(), await start()];
    const subscriber = await paused.resume('sub');
    await subscriber.subscribe('a', { qos: 2 });
    const publisher = await other.client();
    for (const payload of ['1', '2']) await publishWhole(publisher, 'a', { payload, qos: 2 });
    const [first, second] = await readPublishes(subscriber, 2);
    const durable = await paused.resume('pub');
    await stop(paused, other);

    // What it would read first when it goes on.
    subscriber.acknowledge(PUBREC, first.packetId).acknowledge(PUBREC, second.packetId);
    durable.publish('a', { payload: '3', qos: 2, packetId: 7 });
    durable.publish('a', { payload: 'late', qos: 1, packetId: 8 });
    const again = await other.resume('sub');
    for (const { packetId } of [first, second]) await again.expect({ type: PUBLISH, packetId, dup: true });
    paused.program.kill('SIGCONT');
    for (const client of [subscriber, durable]) await client.expectClosed();
    await untilBack(paused);

    // Nothing of it has happened.
    await again.expectNothing();
    for (const { packetId } of [first, second]) {
      again.acknowledge(PUBREC, packetId);
      await again.expect({ type: PUBREL, packetId });
      again.acknowledge(PUBCOMP, packetId);
    }
    const resent = await paused.resume('pub');
    resent.publish('a', { payload: '3', qos: 2, packetId: 7, dup: true });
    await resent.expect({ type: PUBREC, packetId: 7 });
    resent.acknowledge(PUBREL, 7);
    await resent.expect({ type: PUBCOMP, packetId: 7, reasonCode: 0 });
    await receiveWhole(again, 'a', '3', { qos: 2, dup: false });
    await publishKept(publisher, 'a', { payload: 'last' });
    await receiveWhole(again, 'a', 'last', { qos: 1 });
    await again.expectNothing();
  });

  it('[A41] [MQTT-4.3.3-12] may still put a QoS 2 message into a queue that was sent again elsewhere: it comes once', async () => {
    const [late, other] = [await startHere(), await startHere()];
    await (await resume(late, 'sub')).subscribe('a', { qos: 2 });
    await untilQueued(other, 'a');
    const publisher = await resume(other, 'pub');
    const packetId = publisher.publish('a', { payload: '1', qos: 2 });
    await publisher.expect({ type: PUBREC });
    const [publishId] = await redis().with(async (connection) => {
      const [received] = await connection.keys(`${prefix()}:r:*`);
      return connection.hvals(received);
    });
    publisher.acknowledge(PUBREL, packetId);
    await publisher.expect({ type: PUBCOMP });
    await publishWhole(publisher, 'a', { payload: '2', qos: 2 });

    const message = Message.of({ topic: 'a', payload: Buffer.from('1'), qos: 2, retain: false }, 0);
    message.publishId = publishId;
    late.broker.publish(message);
    await late.broker.barrier.kept();
    await publishKept(publisher, 'a', { payload: '3' });

    const subscriber = await resume(late, 'sub');
    for (const payload of ['1', '2', '3']) await subscriber.expectPublish('a', payload);
    await subscriber.expectNothing();
  });

  it('[A41] takes part again, with new sessions and old ones', async () => {
    const [paused, other] = [await start(), await start()];
    const subscriber = await paused.resume('sub');
    await subscriber.subscribe('a', { qos: 1 });
    await stop(paused, other);
    const publisher = await other.client();
    await publishKept(publisher, 'a', { payload: 'meanwhile' });

    paused.program.kill('SIGCONT');
    await subscriber.expectClosed();
    await untilBack(paused);

    const again = await paused.resume('sub');
    while ((await receiveAll(again)).length === 0);
    await publishKept(publisher, 'a', { payload: 'live' });
    const { packetId } = await again.expectPublish('a', 'live');
    again.acknowledge(PUBACK, packetId);
    await again.expectNothing();
  });
});

/** Stops `node` until `other` has given it up. */
async function stop(node: NodeProcess, other: NodeProcess): Promise<void> {
  node.program.kill('SIGSTOP');
  await other.program.lines.find((line) => line.startsWith(`node gone node=${node.name}`));
}

const untilBack = ({ program }: NodeProcess): Promise<string> =>
  program.lines.find((line) => line.startsWith('Redis is back'));

/** Publishes until somebody has subscribed. */
async function publishUntilHeard(node: NodeProcess, topic: string, payload: string): Promise<void> {
  const publisher = await node.client();
  for (let reasonCode = 0x10; reasonCode !== 0;) {
    publisher.publish(topic, { payload, qos: 1 });
    ({ reasonCode } = (await publisher.next(PUBACK)) as unknown as { reasonCode: number });
  }
}
