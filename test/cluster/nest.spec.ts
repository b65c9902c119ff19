import { Controller } from '@nestjs/common';
import { describe, expect, it } from '@jest/globals';
import { MQTTdPublisher, OnPublish, RedisRouter, Topic, type MQTTdOptions } from 'nestjs-mqttd';
import { until } from '../support/cluster.js';
import { Inbox } from '../support/inbox.js';
import { apps, type TestApp } from '../support/nest-app.js';
import { testRedis } from '../support/redis.js';

const redis = testRedis();
const start = apps();

@Controller()
class Heard {
  readonly topics = new Inbox<string>();

  @OnPublish('a/#')
  heard(@Topic() topic: string): void {
    this.topics.push(topic);
  }
}

describe('MQTTdModule.forRoot({ redis })', () => {
  const options = (keyPrefix: string): MQTTdOptions => ({ port: 0, redis: { port: redis().port, keyPrefix } });

  it('makes applications one broker: clients and the publisher reach clients of the other one', async () => {
    const [one, other] = [await start({ mqttd: options('nest-1') }), await start({ mqttd: options('nest-1') })];
    const subscriber = await other.client();
    await subscriber.subscribe('a/+', { qos: 1 });
    await until(() => routerOf(one).otherRoutes.length === 1);

    await one.app.get(MQTTdPublisher).publish('a/b', { n: 1 }, { qos: 1 });

    await subscriber.expectPublish('a/b', '{"n":1}', { qos: 1 });
  });

  it('calls a handler once for a message: on the node where it entered', async () => {
    const parts = { mqttd: options('nest-2'), controllers: [Heard] };
    const [one, other] = [await start(parts), await start(parts)];
    const subscriber = await other.client();
    await subscriber.subscribe('a/+');
    await until(() => routerOf(one).otherRoutes.length === 1);
    const publisher = await one.client();

    publisher.publish('a/b', { payload: 'x' });

    await subscriber.expectPublish('a/b', 'x');
    await one.app.get(Heard).topics.next();
    expect(one.app.get(Heard).topics.all).toEqual(['a/b']);
    expect(other.app.get(Heard).topics.all).toEqual([]);
    // A handler is no reason to be sent anything.
    expect(routerOf(other).otherRoutes).toEqual([]);
  });

  it('says at start that sessions stay on their node', async () => {
    const { logged } = await start({ mqttd: options('nest-3') });

    await logged.find((line) => line.includes('sessions and their queues stay on their node'));
  });

  it('is the short form of a RedisRouter', async () => {
    const router = new RedisRouter({ port: redis().port, keyPrefix: 'nest-4' });
    const { app } = await start({ mqttd: { port: 0, router } });

    expect(router.isReady).toBe(true);
    await app.close();
    expect(router.isReady).toBe(false);
  });

  it('rejects what the publisher publishes for other nodes at QoS 1 while Redis is away', async () => {
    const [one, other] = [await start({ mqttd: options('nest-5') }), await start({ mqttd: options('nest-5') })];
    const subscriber = await other.client();
    await subscriber.subscribe('a', { qos: 1 });
    await until(() => routerOf(one).otherRoutes.length === 1);
    const publisher = one.app.get(MQTTdPublisher);
    await redis().kill();
    await until(() => !routerOf(one).isReady);

    await expect(publisher.publish('a', 'x', { qos: 1 })).rejects.toThrow('Redis is away');
    await expect(publisher.publish('a', 'x')).resolves.toBeUndefined();
    await expect(publisher.publish('nobody/elsewhere', 'x', { qos: 1 })).resolves.toBeUndefined();

    await redis().run();
  });

  it('names the option when Redis cannot be reached', async () => {
    await expect(start({ mqttd: { port: 0, redis: { port: 1 } } })).rejects.toMatchObject({
      name: 'MQTTdUsageError',
      code: 'REDIS_UNREACHABLE',
      message: expect.stringMatching(/^redis\.host: 127\.0\.0\.1:1 cannot be used .*; start Redis there, or correct/),
    });
  });

  it.each<[string, object]>([
    ['redis.leasMs: there is no such option', { leasMs: 1 }],
    ['redis.port: "6379"; use a whole number', { port: '6379' }],
    ['redis.keyPrefix: "{a}"; use a text without braces', { keyPrefix: '{a}' }],
    ['redis.leaseMs: 1000; use at least twice redis.heartbeatMs (4000)', { leaseMs: 1000 }],
    ['redis.host: cannot stand beside redis.url', { url: 'redis://localhost', host: 'localhost' }],
  ])('refuses %s', async (message, given) => {
    await expect(start({ mqttd: { port: 0, redis: given } })).rejects.toThrow(message);
  });
});

const routerOf = ({ broker }: TestApp): RedisRouter => broker.router as RedisRouter;
