import { describe, expect, it } from '@jest/globals';
import { Delivery } from '../../lib/broker/delivery.js';
import { Message } from '../../lib/broker/message.js';
import { encodeEntry, frameVersion, queuedHeader } from '../../lib/redis/node-frame.js';
import { encodeDelivery } from '../../lib/records/delivery-record.js';
import { cluster, until, untilQueued, type ClusterNode } from '../support/cluster.js';
import { payloadsOf, publishKept, readAll, resume } from '../support/scenario.js';
import type { WireClient } from '../support/wire-client.js';

const { startShared: start, redis, prefix } = cluster();

/** An entry that stands in no queue. */
const record = (() => {
  const message = Message.of({ topic: 'a', payload: Buffer.from('forged'), qos: 1, retain: false }, 0);
  return encodeDelivery(new Delivery(message, 1, false, undefined, undefined), 0);
})();

const huge = [2 ** 53 - 1, 2 ** 32, 2 ** 64 - 2 ** 11];
const header = queuedHeader('forger');

describe('[A25] a forged word of a stored queue', () => {
  it('that is no frame is refused and counted, on the channel and in the stream', async () => {
    const { one, other, subscriber } = await subscribed();
    const entry = encodeEntry({ clientId: 'sub', sequence: 0, record });
    const forged = [
      Buffer.concat([header, entry.subarray(0, -1)]),
      Buffer.concat([header, entry, Buffer.from([0, 3])]),
      Buffer.concat([header, encodeEntry({ clientId: 'a\0b', sequence: 0, record })]),
      Buffer.concat([header, encodeEntry({ clientId: 'sub', sequence: huge[2], record })]),
      Buffer.from([frameVersion + 1, 3, 0, 1, 0x6e]),
    ];

    for (const bytes of forged) await tell(one, bytes);

    await until(() => one.router.counters.framesRefused === 2 * forged.length);
    await expectAsBefore(other, subscriber);
  });

  it.each([
    ['garbage', Buffer.from('garbage')],
    ['nothing', Buffer.alloc(0)],
    ['the half of one', record.subarray(0, -3)],
  ])('whose record is %s is refused, and the message of that number comes from the queue', async (_, bytes) => {
    const { one, other, subscriber } = await subscribed();

    for (const sequence of [0, 1]) {
      await tell(one, Buffer.concat([header, encodeEntry({ clientId: 'sub', sequence, record: bytes })]));
    }

    // Looking into the queue it does not listen.
    await until(() => one.router.counters.framesRefused > 0);
    await expectAsBefore(other, subscriber);
    expect(one.logged.filter((line) => line.startsWith('error'))).toEqual([]);
  });

  it.each(huge.slice(0, 2))('with the number %d costs a look into the queue and no more', async (sequence) => {
    const { one, other, subscriber } = await subscribed();
    const before = await reads();

    await tell(one, Buffer.concat([header, encodeEntry({ clientId: 'sub', sequence, record })]));

    await expectAsBefore(other, subscriber);
    expect((await reads()) - before).toBeLessThan(10);
  });

  it('for a client that is not here is passed over', async () => {
    const { one, other, subscriber } = await subscribed();

    await tell(one, Buffer.concat([header, encodeEntry({ clientId: 'nobody', sequence: 0, record })]));

    await expectAsBefore(other, subscriber);
  });
});

async function subscribed(): Promise<{ one: ClusterNode; other: ClusterNode; subscriber: WireClient }> {
  const [one, other] = [await start(), await start()];
  const subscriber = await resume(one, 'sub');
  await subscriber.subscribe('a', { qos: 1 });
  await untilQueued(other, 'a');
  return { one, other, subscriber };
}

/** On both ways to the node. */
const tell = ({ router }: ClusterNode, frame: Buffer): Promise<unknown> =>
  redis().with(async (client) => {
    await client.publish(`${prefix()}:n:${router.node}`, frame);
    await client.xadd(`{${prefix()}}:in:${router.node}`, '*', 'f', frame);
  });

/** What is in the queue comes, and nothing else. */
async function expectAsBefore(other: ClusterNode, subscriber: WireClient): Promise<void> {
  const publisher = await other.client();
  for (const payload of ['1', '2', '3']) await publishKept(publisher, 'a', { payload });
  const heard: string[] = [];
  while (heard.length < 3) heard.push(...payloadsOf(await readAll(subscriber)));
  expect(heard).toEqual(['1', '2', '3']);
}

/** How often queues were read. */
const reads = async (): Promise<number> => (await redis().calls()).hmget ?? 0;
