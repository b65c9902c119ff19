import { describe, expect, it } from '@jest/globals';
import { MQTTdBroker, MQTTdPublisher, MQTTdUsageError, type MQTTdPublishOptions } from 'nestjs-mqttd';
import { apps } from '../support/nest-app.js';

const tooLong = 'ü'.repeat(32_768);

describe('a property given to MQTTdPublisher', () => {
  const start = apps();

  it.each<[string, object]>([
    ['payloadFormatIndicator', { payloadFormatIndicator: 2 }],
    ['payloadFormatIndicator', { payloadFormatIndicator: true }],
    ['messageExpiryInterval', { messageExpiryInterval: -1 }],
    ['messageExpiryInterval', { messageExpiryInterval: 1.5 }],
    ['messageExpiryInterval', { messageExpiryInterval: 0x1_0000_0000 }],
    ['messageExpiryInterval', { messageExpiryInterval: Number.NaN }],
    ['messageExpiryInterval', { messageExpiryInterval: '60' }],
    ['contentType', { contentType: 7 }],
    ['contentType', { contentType: 'a\0b' }],
    ['contentType', { contentType: tooLong }],
    ['responseTopic', { responseTopic: '' }],
    ['responseTopic', { responseTopic: 'a/#' }],
    ['responseTopic', { responseTopic: tooLong }],
    ['correlationData', { correlationData: 'text' }],
    ['correlationData', { correlationData: Buffer.alloc(65_536) }],
    ['userProperties', { userProperties: { unit: 'C' } }],
    ['userProperties', { userProperties: [['unit']] }],
    ['userProperties', { userProperties: [['unit', 'C', 'F']] }],
    ['userProperties', { userProperties: [['unit', 7]] }],
    [
      'userProperties',
      {
        userProperties: [
          ['ok', 'ok'],
          ['unit', tooLong],
        ],
      },
    ],
    ['topicAlias', { topicAlias: 1 }],
    ['subscriptionIdentifiers', { subscriptionIdentifiers: [1] }],
    ['qoS', { qoS: 1 }],
  ])('that does not fit is named, and nothing is stored or sent: %s %#', async (name, bad) => {
    const { app, client } = await start();
    const subscriber = await client();
    await subscriber.subscribe('#', { qos: 1 });
    const options = { ...bad, qos: 1, retain: true } as MQTTdPublishOptions;

    const error: unknown = await app
      .get(MQTTdPublisher)
      .publish('a/b', 'x', options)
      .catch((reason: unknown) => reason);

    expect(error).toBeInstanceOf(MQTTdUsageError);
    expect(error).toMatchObject({ code: 'INVALID_PROPERTY' });
    expect((error as Error).message).toMatch(new RegExp(`^publish\\("a/b"\\): ${name} is `));
    expect((error as Error).message.length).toBeLessThan(300);
    expect(app.get(MQTTdBroker).retained.size).toBe(0);
    await subscriber.expectNothing();
  });

  it('may be as long as a packet can say, or undefined', async () => {
    const { app, client } = await start();
    const subscriber = await client();
    await subscriber.subscribe('a');
    const longest = 'x'.repeat(65_535);
    const properties = { contentType: longest, userProperties: [[longest, longest]] } as const;

    await app.get(MQTTdPublisher).publish('a', 'x', {
      ...properties,
      payloadFormatIndicator: 0,
      messageExpiryInterval: 0xffff_ffff,
      responseTopic: undefined,
      correlationData: Buffer.alloc(65_535),
    });

    await subscriber.expectPublish('a', 'x', { properties });
  });
});
