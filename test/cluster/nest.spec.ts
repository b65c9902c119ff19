import { Controller } from '@nestjs/common';
import { describe, expect, it } from '@jest/globals';
import {
  MemoryStore,
  MQTTdPublisher,
  OnPublish,
  RedisRouter,
  RedisStore,
  Topic,
  type MQTTdOptions,
} from 'nestjs-mqttd';
import type { PublishPacket } from '../../lib/protocol/packets.js';
import { until } from '../support/cluster.js';
import { Inbox } from '../support/inbox.js';
import { apps, type TestApp } from '../support/nest-app.js';
import { testRedis } from '../support/redis.js';

const redis = testRedis();
const start = apps();

/** Where nobody listens. */
const address = { host: '127.0.0.1', port: 1 };

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

  it('goes on with a session on the other application', async () => {
    const [one, other] = [await start({ mqttd: options('nest-3') }), await start({ mqttd: options('nest-3') })];
    const session = { clientId: 'sub', cleanStart: false, properties: { sessionExpiryInterval: 60 } };
    const subscriber = await one.open();
    await subscriber.connect(session);
    await subscriber.subscribe('a', { qos: 1 });
    subscriber.drop();
    await one.app.get(MQTTdPublisher).publish('a', 'missed', { qos: 1 });

    const again = await other.open();
    expect((await again.connect(session)).sessionPresent).toBe(true);
    await again.expectPublish('a', 'missed', { qos: 1 });
  });

  it('asks clients, and observes what is published, on the other application', async () => {
    const [one, other] = [await start({ mqttd: options('nest-4') }), await start({ mqttd: options('nest-4') })];
    const publisher = one.app.get(MQTTdPublisher);
    const heard = new Inbox<string>();
    publisher.observe('a/+').subscribe(({ topic }) => heard.push(topic));
    const device = await other.client();
    await device.subscribe('ask', { qos: 1 });
    await until(() => routerOf(one).otherRoutes.length === 1 && routerOf(other).otherRoutes.length === 1);

    device.publish('a/b', { payload: 'x' });
    expect(await heard.next()).toBe('a/b');
    const asked = publisher.request('ask', 'how are you?');
    const { properties } = (await device.next()) as PublishPacket;
    device.publish(properties!.responseTopic!, { payload: 'fine', qos: 1 });

    expect(String((await asked).payload)).toBe('fine');
  });

  it.each([
    ['whose session ends with its connection', true, 0],
    ['whose session is kept in Redis', false, 3600],
  ])('asks one client alone of the other application, %s', async (_title, cleanStart, sessionExpiryInterval) => {
    const keyPrefix = `nest-7-${cleanStart}`;
    const [one, other] = [await start({ mqttd: options(keyPrefix) }), await start({ mqttd: options(keyPrefix) })];
    const publisher = one.app.get(MQTTdPublisher);
    const login = { cleanStart, properties: { sessionExpiryInterval } };
    const [device, foreign] = [
      await other.client(5, { ...login, clientId: '7' }),
      await other.client(5, { ...login, clientId: '8' }),
    ];
    for (const client of [device, foreign]) await client.subscribe('ask/+', { qos: 1 });
    await until(() => routerOf(one).otherRoutes.length === 1);

    const asked = publisher.request('ask/it', 'how are you?', { clientId: '7', qos: 1 });
    const request = (await device.next()) as PublishPacket;
    expect([request.qos, request.payload.toString()]).toEqual([1, 'how are you?']);
    // Who was not asked cannot answer.
    foreign.publish(request.properties!.responseTopic!, { payload: 'forged' });
    await foreign.expectNothing();
    device.publish(request.properties!.responseTopic!, { payload: 'fine', qos: 1 });
    expect(String((await asked).payload)).toBe('fine');

    await expect(publisher.request('other', '?', { clientId: '7' })).rejects.toMatchObject({ code: 'NOBODY' });
    await expect(publisher.request('ask/it', '?', { clientId: '9', timeoutMs: 50 })).rejects.toMatchObject({
      code: 'TIMEOUT',
    });
  });

  it('says at start that sessions stay on their node where another store stands beside redis', async () => {
    const { logged } = await start({ mqttd: { ...options('nest-6'), store: new MemoryStore() } });

    await logged.find((line) => line.includes('sessions and their queues stay on their node'));
  });

  it('refuses to refuse what queues in Redis have no room for: those are not known when a message comes', async () => {
    const limits = { onQueueFull: 'refuse' } as const;
    await expect(start({ mqttd: { ...options('nest-8'), limits } })).rejects.toThrow(
      "limits.onQueueFull: 'refuse' needs to know every queue when a message comes",
    );
  });

  it('refuses a RedisStore without a RedisRouter', async () => {
    await expect(start({ mqttd: { port: 0, store: RedisStore } })).rejects.toThrow(
      'store: a RedisStore needs a RedisRouter beside it; set redis: { ... }, or router: new RedisRouter()',
    );
  });

  it('is the short form of a RedisRouter and a RedisStore', async () => {
    const router = new RedisRouter({ port: redis().port, keyPrefix: 'nest-4' });
    const { app } = await start({ mqttd: { port: 0, router, store: RedisStore } });

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

  it.each<[string, object]>([
    ['redis.host: 127.0.0.1:1 ', { port: 1 }],
    ['redis.url: the server named there ', { url: 'redis://:secret@127.0.0.1:1' }],
    ["redis.sentinels: the master 'm' of 127.0.0.1:1 ", { sentinels: [address], name: 'm' }],
    ['redis.cluster: 127.0.0.1:1 ', { cluster: [address] }],
  ])('names the option when Redis cannot be reached: %s', async (option, given) => {
    const text = String.raw`cannot be used \(.*(ECONNREFUSED|Connection is closed).*\); start Redis there, or correct the option$`;
    await expect(start({ mqttd: { port: 0, redis: given } })).rejects.toMatchObject({
      name: 'MQTTdUsageError',
      code: 'REDIS_UNREACHABLE',
      message: expect.stringMatching(new RegExp(`^${option}${text}`)),
    });
  });

  it('says so when redis.cluster names a server that is in none', async () => {
    const cluster = [{ host: '127.0.0.1', port: redis().port }];

    await expect(start({ mqttd: { port: 0, redis: { cluster } } })).rejects.toThrow('cluster support disabled');
  });

  it.each<[string, object]>([
    ['redis.leasMs: there is no such option', { leasMs: 1 }],
    ['redis.port: "6379"; use a whole number', { port: '6379' }],
    ['redis.keyPrefix: "{a}"; use a text without braces', { keyPrefix: '{a}' }],
    ['redis.leaseMs: 1000; use at least twice redis.heartbeatMs (4000)', { leaseMs: 1000 }],
    ['redis.host: cannot stand beside redis.url', { url: 'redis://localhost', host: 'localhost' }],
    ['redis.cluster: cannot stand beside redis.url', { url: 'redis://localhost', cluster: [address] }],
    ['redis.port: cannot stand beside redis.sentinels', { sentinels: [address], name: 'm', port: 6379 }],
    ['redis.cluster: cannot stand beside redis.sentinels', { sentinels: [address], name: 'm', cluster: [address] }],
    ['redis.db: cannot stand beside redis.cluster', { cluster: [address], db: 1 }],
    ['redis.name: is missing; beside redis.sentinels', { sentinels: [address] }],
    ['redis.sentinelPassword: means nothing without redis.sentinels', { sentinelPassword: 'x' }],
    ['redis.sentinels: []; use a list of { host, port }', { sentinels: [], name: 'm' }],
    ['redis.cluster: ["a:1"]; use a list of { host, port }', { cluster: ['a:1'] }],
    ['redis.tls: true; use the options of node:tls', { tls: true }],
  ])('refuses %s', async (message, given) => {
    await expect(start({ mqttd: { port: 0, redis: given } })).rejects.toThrow(message);
  });
});

const routerOf = ({ broker }: TestApp): RedisRouter => broker.router as RedisRouter;
