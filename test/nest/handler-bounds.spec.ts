import { beforeEach, describe, expect, it } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { MQTTdException, MQTTdPublisher, MQTTdPublishError, OnPublish } from 'nestjs-mqttd';
import { PacketType } from '../../lib/protocol/packets.js';
import { until } from '../support/cluster.js';
import { Inbox } from '../support/inbox.js';
import { apps } from '../support/nest-app.js';
import { publishOf, sendTogether } from '../support/scenario.js';

let calls: Inbox<{ readonly payload: string; finish(): void }>;
beforeEach(() => {
  calls = new Inbox();
});

@Controller()
class Slow {
  @OnPublish('observed')
  observe(@Payload() payload: string): Promise<void> {
    return new Promise((resolve) => calls.push({ payload, finish: resolve }));
  }

  @OnPublish('gated', { mode: 'gate' })
  gate(@Payload() payload: string): Promise<void> {
    return new Promise((resolve) => calls.push({ payload, finish: resolve }));
  }

  @OnPublish('refused', { mode: 'gate' })
  refuse(): never {
    throw new MQTTdException(0x97, 'no room');
  }

  @OnPublish('unheard', { mode: 'ack' })
  fail(): never {
    throw new MQTTdException(0x99, 'not like that');
  }
}

describe('calls of handlers that do not end', () => {
  const start = apps();

  it.each([
    ['observed', 0],
    ['observed', 1],
    ['gated', 0],
    ['gated', 1],
  ] as const)(
    '[A37] are bounded: who publishes to `%s` at QoS %d is not read any more, and goes on later',
    async (topic, qos) => {
      const { client, broker } = await start({
        controllers: [Slow],
        mqttd: { port: 0, limits: { receiveMaximum: 10 } },
      });
      const publisher = await client(4, { clientId: 'pub' });
      const bystander = await client();
      const { connection } = broker.sessions.get('pub')!;

      // All in one chunk.
      sendTogether(publisher, Array.from({ length: 200 }, (_, index) => publishOf(topic, { qos, packetId: qos && index + 1, payload: String(index) }))); // prettier-ignore
      await until(() => connection!.isUnread);

      // QoS 1 has acknowledgements beside.
      expect(calls.all.length).toBeLessThanOrEqual(11);
      await bystander.expectNothing();
      for (let index = 0; index < 200; index++) (await calls.next()).finish();
      await publisher.settled();
      expect(connection!.isUnread).toBe(false);
      expect(calls.all.map(({ payload }) => payload)).toEqual(Array.from({ length: 200 }, (_, index) => String(index)));
    },
  );

  it('[A37] are bounded by bytes as well', async () => {
    const { client, broker } = await start({
      controllers: [Slow],
      mqttd: { port: 0, limits: { maximumUndecidedBytes: 10_000 } },
    });
    const publisher = await client(4, { clientId: 'pub' });
    const { connection } = broker.sessions.get('pub')!;

    const payload = 'x'.repeat(1000);
    sendTogether(
      publisher,
      Array.from({ length: 50 }, () => publishOf('observed', { payload })),
    );
    await until(() => connection!.isUnread);

    expect(calls.all.length).toBeLessThanOrEqual(10);
    for (let index = 0; index < 50; index++) (await calls.next()).finish();
    await publisher.settled();
  });

  it('give up their place at the deadline', async () => {
    const { client, logged } = await start({
      controllers: [Slow],
      mqttd: { port: 0, handlerTimeoutMs: 30, handlerConcurrency: 1 },
    });
    const publisher = await client();

    for (const payload of ['1', '2', '3']) publisher.publish('observed', { payload });

    while (calls.all.length < 3) await calls.next();
    await logged.find((line) => line === 'warn [MQTTd] Slow.observe failed topic="observed": not done in time');
  });

  it('are as many at the same time as `handlerConcurrency` says; the others wait for their turn', async () => {
    const { client } = await start({ controllers: [Slow], mqttd: { port: 0, handlerConcurrency: 2 } });
    const publisher = await client();

    for (const payload of ['1', '2', '3', '4']) publisher.publish('observed', { payload });
    await publisher.settled();
    expect(calls.all).toHaveLength(2);
    (await calls.next()).finish();

    await calls.find(({ payload }) => payload === '3');
    expect(calls.all).toHaveLength(3);
    for (let count = 0; count < 3; count++) (await calls.next()).finish();
  });

  it('do not keep the application from stopping; what a gate has not let pass is not acknowledged', async () => {
    const { client, app } = await start({ controllers: [Slow], mqttd: { port: 0, handlerTimeoutMs: 100 } });
    const publisher = await client();
    publisher.publish('gated', { payload: 'x', qos: 1, packetId: 7 });
    await calls.next();

    await app.close();

    const packet = await publisher.next();
    expect([PacketType.PUBACK, PacketType.DISCONNECT]).toContain(packet.type);
    if (packet.type === PacketType.PUBACK) expect(packet).toMatchObject({ reasonCode: 0x83 });
  });
});

describe('what the application publishes itself', () => {
  const start = apps();

  it('passes the gates, and is heard by who has to have heard it: `publish` rejects for what they say', async () => {
    const { app, client } = await start({ controllers: [Slow] });
    const subscriber = await client();
    await subscriber.subscribe('#', { qos: 0 });
    const publisher = app.get(MQTTdPublisher);

    await expect(publisher.publish('refused', 'x')).rejects.toThrow(
      expect.objectContaining({ reasonCode: 0x97, message: 'publish("refused"): no room (0x97)' }),
    );
    await expect(publisher.publish('unheard', 'x')).rejects.toBeInstanceOf(MQTTdPublishError);
    const published = publisher.publish('gated', 'y');
    await subscriber.expectPublish('unheard', 'x');
    await subscriber.expectNothing();
    (await calls.next()).finish();
    await published;

    await subscriber.expectPublish('gated', 'y');
  });

  it('and so do wills', async () => {
    const { client } = await start({ controllers: [Slow] });
    const subscriber = await client();
    await subscriber.subscribe('#', { qos: 0 });
    for (const topic of ['refused', 'gated']) {
      const will = { topic, payload: Buffer.from('will'), qos: 1, retain: false } as const;
      (await client(5, { will })).drop();
    }

    const { finish } = await calls.next();
    await subscriber.expectNothing();
    finish();

    await subscriber.expectPublish('gated', 'will');
    await subscriber.expectNothing();
  });
});
