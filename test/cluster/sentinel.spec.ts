import { describe, expect, it } from '@jest/globals';
import { nodesAround, until, untilWanted } from '../support/cluster.js';
import { publishWhole } from '../support/exchanges.js';
import { testRedisSentinel } from '../support/redis-sentinel.js';

const redis = testRedisSentinel();
const { start } = nodesAround(() => ({ sentinels: [redis().address], name: redis().name }));

describe('nodes around a master that a Sentinel names', () => {
  it('say so when the Sentinel does not know the name', async () => {
    await expect(start({ name: 'nobody' })).rejects.toThrow(
      /^redis.sentinels: the master 'nobody' of 127.0.0.1:\d+ cannot be used \(All sentinels are unreachable/,
    );
  });

  it('say so at start-up when there are fewer replicas than asked for', async () => {
    await expect(start({ minimumReplicas: 2, commandTimeoutMs: 1000 })).rejects.toThrow(
      /cannot be used \(1 of 2 replica\(s\) have it\); start replicas, or lower redis.minimumReplicas$/,
    );
  });

  it('[A43] acknowledge only what a replica has, where that is asked for', async () => {
    const [one, other] = [await start({ minimumReplicas: 1 }), await start()];
    const subscriber = await other.client();
    await subscriber.subscribe('a', { qos: 1 });
    await untilWanted(one, 'a');
    const publisher = await one.client();
    await publishWhole(publisher, 'a', { payload: 'on both', qos: 1 });
    await subscriber.expectPublish('a', 'on both');

    redis().replica.freeze();
    publisher.publish('a', { payload: 'on one', qos: 1, packetId: 7 });
    await publisher.expectClosed();
    redis().replica.thaw();

    await publishWhole(await one.client(), 'a', { payload: 'on both again', qos: 1 });
  });

  it('come back by themselves on the replica when the master dies, and take along what they have', async () => {
    const [one, other] = [await start(), await start()];
    const subscriber = await other.client();
    await subscriber.subscribe('a', { qos: 1 });
    await untilWanted(one, 'a');
    const publisher = await one.client();
    await publishWhole(publisher, 'a', { payload: 'before', qos: 1, retain: true });
    await subscriber.expectPublish('a', 'before');

    await redis().master.kill();
    await until(() => !one.router.isReady && !other.router.isReady);
    await until(() => one.router.isReady && other.router.isReady);

    await publishWhole(publisher, 'a', { payload: 'after', qos: 1, retain: true });
    await subscriber.expectPublish('a', 'after');
    const keys = await redis().replica.with((client) => client.keys('*ret'));
    expect(keys).toHaveLength(1);
    const late = await start();
    expect(late.broker.retained.get('a')?.payload.toString()).toBe('after');
    expect(one.logged).toContain(
      'warn Redis was started anew, or another server has taken over: what it lacks is lost',
    );
  });
});
