import { expect, it } from '@jest/globals';
import { PacketType, type PublishPacket } from '../../../lib/protocol/packets.js';
import type { Properties } from '../../../lib/protocol/properties.js';
import { expectRefused, leave, publishKept, resume } from '../../support/scenario.js';
import { describeOverTransports, type TestBroker } from '../../support/test-broker.js';

/** Each way that a message can take through the broker: as it came, encoded anew, queued, retained. */
const ways = ['live', 'at a lower QoS', 'with an identifier', 'queued', 'retained', 'by alias'] as const;

async function sendBy(way: (typeof ways)[number], broker: TestBroker, properties: Properties): Promise<PublishPacket> {
  const publisher = await broker.client();
  if (way === 'retained') await publishKept(publisher, 'a', { payload: 'x', properties, retain: true });
  let subscriber = await resume(broker, 'sub');
  const identifiers = way === 'with an identifier' ? { subscriptionIdentifiers: [7] } : undefined;
  await subscriber.subscribe('a', { qos: way === 'at a lower QoS' ? 0 : 1, properties: identifiers });
  if (way === 'queued') await leave(subscriber);
  const alias = way === 'by alias' ? { topicAlias: 3 } : {};
  if (way !== 'retained') await publishKept(publisher, 'a', { payload: 'x', properties: { ...properties, ...alias } });
  if (way === 'queued') subscriber = await resume(broker, 'sub');
  return subscriber.expectPublish('a', 'x');
}

describeOverTransports('3.3 PUBLISH, properties', (start) => {
  it.each(ways)('[MQTT-3.3.2-4] forwards the Payload Format Indicator unaltered, %s', async (way) => {
    const broker = await start();
    const packet = await sendBy(way, broker, { payloadFormatIndicator: 1 });
    expect(packet.properties?.payloadFormatIndicator).toBe(1);
  });

  it.each(ways)('[MQTT-3.3.2-15] [MQTT-3.3.2-16] forwards Response Topic and Correlation Data, %s', async (way) => {
    const broker = await start();
    const correlationData = Buffer.from('00ff80c328', 'hex');
    const packet = await sendBy(way, broker, { responseTopic: 'reply/to/me', correlationData });
    expect(packet.properties?.responseTopic).toBe('reply/to/me');
    expect(packet.properties?.correlationData).toEqual(correlationData);
  });

  it.each(ways)('[MQTT-3.3.2-17] [MQTT-3.3.2-18] forwards User Properties in their order, %s', async (way) => {
    const broker = await start();
    const userProperties = [
      ['b', '1'],
      ['a', '2'],
      ['b', '3'],
      ['', ''],
      ['__proto__', 'ünï'],
      ['a', '2'],
    ] as const;
    const packet = await sendBy(way, broker, { userProperties });
    expect(packet.properties?.userProperties).toEqual(userProperties);
  });

  it.each(ways)('[MQTT-3.3.2-20] forwards the Content Type unaltered, %s', async (way) => {
    const broker = await start();
    const packet = await sendBy(way, broker, { contentType: 'text/plain; charset=utf-8' });
    expect(packet.properties?.contentType).toBe('text/plain; charset=utf-8');
  });

  it('[MQTT-3.3.2-4] sends no Payload Format Indicator of its own, and forwards 0 as 0', async () => {
    const broker = await start();
    const subscriber = await broker.client();
    const publisher = await broker.client();
    await subscriber.subscribe('a');

    publisher.send('30 05 0001 61 00 78');
    publisher.send('30 07 0001 61 02 0100 78');

    await subscriber.expectHex('30 05 0001 61 00 78');
    await subscriber.expectHex('30 07 0001 61 02 0100 78');
  });

  it.each([
    ['MQTT-3.3.2-13', 'Response Topic', '08'],
    ['MQTT-3.3.2-19', 'Content Type', '03'],
  ])('[%s] closes the connection when the %s is not UTF-8', async (_id, _name, property) => {
    for (const text of ['c328', 'eda080', '6100', 'ffff']) {
      const broker = await start();
      const client = await broker.client();
      const size = text.length / 2;

      client.send(`30 0${7 + size} 0001 61 0${3 + size} ${property} 000${size} ${text}`);

      await expectRefused(client, 0x81);
    }
  });

  it.each(['reply/+', 'reply/#', '#', '+'])(
    '[MQTT-3.3.2-14] closes the connection when the Response Topic is %s',
    async (responseTopic) => {
      const broker = await start();
      const subscriber = await broker.client();
      const client = await broker.client();
      await subscriber.subscribe('a');

      client.publish('a', { payload: 'x', qos: 1, properties: { responseTopic } });

      await expectRefused(client, 0x81, 0x82, 0x90);
      await subscriber.expectNothing();
    },
  );

  it('[MQTT-3.3.2-5] deletes the copy of a subscriber that the message did not reach in time', async () => {
    const broker = await start();
    const publisher = await broker.client();
    await (await resume(broker, 'late')).subscribe('a', { qos: 1 });
    await leave(await resume(broker, 'late'));
    const online = await broker.client();
    await online.subscribe('a', { qos: 1 });

    await publishKept(publisher, 'a', { payload: 'short', properties: { messageExpiryInterval: 10 } });
    await publishKept(publisher, 'a', { payload: 'long', properties: { messageExpiryInterval: 60 } });
    broker.clock.advance(11);

    await online.expectPublish('a', 'short');
    await online.expectPublish('a', 'long');
    const late = await resume(broker, 'late');
    await late.expectPublish('a', 'long');
    await late.expectNothing();
  });

  it('[MQTT-3.3.2-5] deletes a message that expires while it waits for the Receive Maximum', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const subscriber = await broker.client(5, { properties: { receiveMaximum: 1 } });
    await subscriber.subscribe('a', { qos: 1 });
    await publishKept(publisher, 'a', { payload: 'one' });
    await publishKept(publisher, 'a', { payload: 'two', properties: { messageExpiryInterval: 5 } });
    await publishKept(publisher, 'a', { payload: 'three' });

    broker.clock.advance(6);
    subscriber.acknowledge(PacketType.PUBACK, (await subscriber.expectPublish('a', 'one')).packetId);

    await subscriber.expectPublish('a', 'three');
  });

  it('[MQTT-3.3.2-5] sends no retained message that has expired, by name or by wildcard', async () => {
    const broker = await start();
    const publisher = await broker.client();
    await publishKept(publisher, 'a', { payload: 'x', retain: true, properties: { messageExpiryInterval: 5 } });
    await publishKept(publisher, 'b', { payload: 'y', retain: true, properties: { messageExpiryInterval: 60 } });
    broker.clock.advance(6);
    const subscriber = await broker.client();

    await subscriber.subscribe('a');
    await subscriber.expectNothing();
    await subscriber.subscribe('+');

    await subscriber.expectPublish('b', 'y');
    await subscriber.expectNothing();
  });

  it.each([0, 1] as const)(
    '[MQTT-3.3.2-6] counts the waiting time off the Message Expiry Interval, QoS %i',
    async (qos) => {
      const broker = await start();
      const publisher = await broker.client();
      const properties = { messageExpiryInterval: 100 };
      await leave(await subscribed(broker, 'queue', 1));
      const online = await subscribed(broker, 'online', qos);
      await publishKept(publisher, 'a', { payload: 'x', retain: true, properties });

      await online.expectPublish('a', 'x', { properties: { messageExpiryInterval: 100 } });
      broker.clock.advance(30);
      const queue = await resume(broker, 'queue');
      await queue.expectPublish('a', 'x', { properties: { messageExpiryInterval: 70 } });
      broker.clock.advance(20);
      await online.subscribe('a', { qos });
      await online.expectPublish('a', 'x', { retain: true, properties: { messageExpiryInterval: 50 } });
    },
  );

  it('[MQTT-3.3.2-6] counts it down further when the message is sent again', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const first = await subscribed(broker, 'sub', 1);
    await publishKept(publisher, 'a', { payload: 'x', properties: { messageExpiryInterval: 100 } });
    await first.expectPublish('a', 'x', { properties: { messageExpiryInterval: 100 } });
    first.drop();
    broker.clock.advance(25);

    const second = await resume(broker, 'sub');

    await second.expectPublish('a', 'x', { dup: true, properties: { messageExpiryInterval: 75 } });
  });

  async function subscribed(broker: TestBroker, clientId: string, qos: 0 | 1) {
    const client = await resume(broker, clientId);
    await client.subscribe('a', { qos });
    return client;
  }
});
