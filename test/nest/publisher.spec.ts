import { describe, expect, it } from '@jest/globals';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { MQTTdPublishError, MQTTdPublisher, MQTTdUsageError } from 'nestjs-mqttd';
import { apps } from '../support/nest-app.js';

describe('MQTTdPublisher', () => {
  const start = apps();

  const startWithSubscriber = async (version: 4 | 5 = 5) => {
    const { app, client } = await start();
    const subscriber = await client(version);
    await subscriber.subscribe({ filter: '#', qos: 2 });
    return { publisher: app.get(MQTTdPublisher), subscriber, client };
  };

  it.each([
    ['a string as UTF-8', 'grüße', 'grüße'],
    ['a Buffer as it is', Buffer.from('00ff', 'hex'), Buffer.from('00ff', 'hex')],
    ['a view as its own bytes', new Uint8Array([1, 2, 3, 4]).subarray(1, 3), Buffer.from([2, 3])],
    ['an object as JSON', { on: true }, '{"on":true}'],
    ['a number as JSON', 21.5, '21.5'],
    ['false as JSON', false, 'false'],
    ['undefined as empty', undefined, ''],
    ['null as empty', null, ''],
  ])('sends %s', async (_title, payload, expected) => {
    const { publisher, subscriber } = await startWithSubscriber();

    await publisher.publish('a/b', payload);

    const sent = await subscriber.expect({ type: 3, topic: 'a/b', qos: 0, retain: false });
    expect('payload' in sent && sent.payload).toEqual(Buffer.from(expected));
  });

  it.each([0, 1, 2] as const)('publishes at QoS %i', async (qos) => {
    const { publisher, subscriber } = await startWithSubscriber(4);

    await publisher.publish('a', 'x', { qos });

    await subscriber.expectPublish('a', 'x', { qos });
  });

  it('retains, and removes what was retained', async () => {
    const { publisher, client } = await startWithSubscriber();
    await publisher.publish('a', 'kept', { retain: true });
    await publisher.publish('b', 'not for long', { retain: true });

    await publisher.publish('b', '', { retain: true });

    const late = await client();
    await late.subscribe(['a', 'b']);
    await late.expectPublish('a', 'kept', { retain: true });
    await late.expectNothing();
  });

  it('sends the properties of MQTT 5, and nothing of them to older clients', async () => {
    const { publisher, subscriber, client } = await startWithSubscriber();
    const old = await client(4);
    await old.subscribe('a');
    const properties = {
      payloadFormatIndicator: 1,
      messageExpiryInterval: 60,
      contentType: 'text/plain',
      responseTopic: 'replies',
      correlationData: Buffer.from('7'),
      userProperties: [
        ['unit', 'C'],
        ['unit', 'F'],
      ],
    } as const;

    await publisher.publish('a', 'x', { ...properties, qos: 1 });

    const { correlationData, ...rest } = properties;
    const sent = await subscriber.expectPublish('a', 'x', { properties: rest });
    expect(sent.properties?.correlationData).toEqual(correlationData);
    await old.expectPublish('a', 'x');
  });

  it.each([
    ['a Buffer', Buffer.from('before')],
    ['a Uint8Array', new Uint8Array(Buffer.from('before'))],
  ])('copies %s, and Correlation Data: their owner may change them at once', async (_title, payload) => {
    const { publisher, subscriber, client } = await startWithSubscriber();

    const correlationData = Buffer.from('before');
    const published = publisher.publish('a', payload, { qos: 1, retain: true, correlationData });
    payload.fill(0x78);
    correlationData.fill(0x78);
    await published;

    const late = await client();
    await late.subscribe({ filter: 'a', qos: 1 }, { properties: { subscriptionIdentifiers: [7] } });
    for (const receiver of [subscriber, late]) {
      const { properties } = await receiver.expectPublish('a', 'before');
      expect(String(properties?.correlationData)).toBe('before');
    }
  });

  it.each(['', 'a/#', 'a/+/b', 'a\0b', 'x'.repeat(65_536), '/'.repeat(128)])(
    'rejects a topic that is none: %j',
    async (topic) => {
      const { publisher, subscriber } = await startWithSubscriber();

      const error: unknown = await publisher.publish(topic, 'x').catch((reason: unknown) => reason);

      expect(error).toBeInstanceOf(MQTTdUsageError);
      expect(error).toMatchObject({ code: 'INVALID_TOPIC' });
      await subscriber.expectNothing();
    },
  );

  it('rejects with the Reason Code when a limit refuses the message, of which nothing is delivered', async () => {
    const { app, client } = await start({ mqttd: { port: 0, limits: { maximumRetainedMessages: 1 } } });
    const publisher = app.get(MQTTdPublisher);
    const subscriber = await client();
    await subscriber.subscribe('#');
    await publisher.publish('a', '1', { retain: true });

    const error: unknown = await publisher.publish('b', '2', { retain: true }).catch((reason: unknown) => reason);

    expect(error).toBeInstanceOf(MQTTdPublishError);
    expect(error).toMatchObject({ reasonCode: 0x97, message: expect.stringContaining('publish("b")') });
    await subscriber.expectPublish('a', '1');
    await subscriber.expectNothing();
  });

  it('resolves without subscribers', async () => {
    const { app } = await start();

    await expect(app.get(MQTTdPublisher).publish('nobody/listens', 'x')).resolves.toBeUndefined();
  });

  it('can be used before anybody can connect: in onModuleInit', async () => {
    @Injectable()
    class Announcer implements OnModuleInit {
      constructor(private readonly publisher: MQTTdPublisher) {}

      async onModuleInit(): Promise<void> {
        await this.publisher.publish('app/state', 'up', { retain: true });
      }
    }
    const { client } = await start({ providers: [Announcer] });
    const device = await client();

    await device.subscribe('app/state');

    await device.expectPublish('app/state', 'up', { retain: true });
  });

  it('keeps QoS 1 messages for sessions whose clients are away', async () => {
    const { publisher, client } = await startWithSubscriber();
    const session = { clientId: 'sleeper', cleanStart: false, properties: { sessionExpiryInterval: 60 } };
    const sleeper = await client(5, session);
    await sleeper.subscribe({ filter: 'a', qos: 1 });
    sleeper.disconnect();
    await sleeper.expectClosed();

    await publisher.publish('a', 'while away', { qos: 1 });

    const awake = await client(5, session);
    await awake.expectPublish('a', 'while away', { qos: 1 });
  });
});
