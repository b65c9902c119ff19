import { expect, it } from '@jest/globals';
import { PacketType, type ProtocolVersion } from '../../lib/protocol/packets.js';
import type { Properties } from '../../lib/protocol/properties.js';
import { breakOff } from '../support/connection-steps.js';
import { everyQoS, publishWhole, receiveWhole } from '../support/exchanges.js';
import { leave } from '../support/scenario.js';
import { describeOverTransports, type TestBroker } from '../support/test-broker.js';
import type { ConnectOptions, WireClient } from '../support/wire-client.js';

const properties: Properties = {
  payloadFormatIndicator: 1,
  contentType: 'text/plain',
  responseTopic: 'reply',
  correlationData: Buffer.from('42'),
  userProperties: [['name', 'value']],
};

const across: [ProtocolVersion, ProtocolVersion][] = [
  [5, 4],
  [4, 5],
  [3, 5],
  [5, 3],
  [3, 4],
];

const names: Record<ProtocolVersion, string> = { 3: '3.1', 4: '3.1.1', 5: '5.0' };

let count = 0;
/** 3.1 wants a client identifier. */
const connected = (broker: TestBroker, version: ProtocolVersion, options: ConnectOptions = {}): Promise<WireClient> =>
  broker.client(version, { clientId: `client-${count++}`, ...options });

/** Options for a session that outlives its connection. */
const lasting = (version: ProtocolVersion): ConnectOptions => ({
  clientId: 'lasting',
  cleanStart: false,
  properties: version === 5 ? { sessionExpiryInterval: 3600 } : undefined,
});

describeOverTransports('Mixed versions', (start) => {
  for (const [from, to] of across) {
    it.each(everyQoS)(`a ${names[from]} client publishes to a ${names[to]} client at QoS %d`, async (qos) => {
      const broker = await start();
      const subscriber = await connected(broker, to);
      const publisher = await connected(broker, from);
      for (const granted of everyQoS) await subscriber.subscribe(`a/${granted}`, { qos: granted });

      for (const granted of everyQoS) await publishWhole(publisher, `a/${granted}`, { payload: 'x', qos, properties });

      for (const granted of everyQoS) {
        const received = await receiveWhole(subscriber, `a/${granted}`, 'x', { qos: Math.min(qos, granted) });
        expect(received.properties).toBeUndefined();
      }
      await subscriber.expectNothing();
    });

    it(`a ${names[to]} client subscribes to what a ${names[from]} client has retained`, async () => {
      const broker = await start();
      const publisher = await connected(broker, from);
      await publishWhole(publisher, 'a', { payload: 'kept', qos: 1, retain: true, properties });
      await leave(publisher);

      const subscriber = await connected(broker, to);
      await subscriber.subscribe('a', { qos: 2 });

      const { properties: received } = await receiveWhole(subscriber, 'a', 'kept', { qos: 1, retain: true });
      expect(received).toBeUndefined();
    });

    it(`a ${names[to]} client hears of the will of a ${names[from]} client`, async () => {
      const broker = await start();
      const subscriber = await connected(broker, to);
      await subscriber.subscribe('will', { qos: 2 });
      const will = { topic: 'will', payload: Buffer.from('gone'), qos: 2, retain: true, properties } as const;

      await breakOff(await connected(broker, from, { will }));

      const received = await receiveWhole(subscriber, 'will', 'gone', { qos: 2, retain: false });
      expect(received.properties).toBeUndefined();
      const late = await connected(broker, to);
      await late.subscribe('will');
      await late.expectPublish('will', 'gone', { retain: true });
    });

    it(`a ${names[to]} client finds in its queue what a ${names[from]} client published`, async () => {
      const broker = await start();
      const subscriber = await connected(broker, to, lasting(to));
      await subscriber.subscribe('a', { qos: 2 });
      await leave(subscriber);
      const publisher = await connected(broker, from);
      for (const qos of [1, 2] as const) await publishWhole(publisher, 'a', { payload: `${qos}`, qos, properties });

      const again = await connected(broker, to, lasting(to));

      for (const qos of [1, 2]) await receiveWhole(again, 'a', `${qos}`, { qos, dup: false });
      await again.expectNothing();
    });
  }

  it('sends 3.1.1 exactly the bytes of 3.1.1, and 5.0 those of 5.0', async () => {
    const broker = await start();
    const [old, recent] = [await connected(broker, 4), await connected(broker, 5)];
    for (const client of [old, recent]) await client.subscribe('a', { qos: 0 });

    await publishWhole(await connected(broker, 5), 'a', { payload: 'x', properties: { contentType: 't' } });
    await publishWhole(await connected(broker, 4), 'a', { payload: 'y' });

    await old.expectHex('30 04 0001 61 78');
    await old.expectHex('30 04 0001 61 79');
    await recent.expectHex('30 09 0001 61 04 03 0001 74 78');
    await recent.expectHex('30 05 0001 61 00 79');
  });

  it('gives 5.0 clients the properties, while 3.1.1 clients of the same message get none', async () => {
    const broker = await start();
    const [old, recent] = [await connected(broker, 4), await connected(broker, 5)];
    await old.subscribe('a', { qos: 1 });
    await recent.subscribe('a', { qos: 1, properties: { subscriptionIdentifiers: [7] } });

    await publishWhole(await connected(broker, 5), 'a', { payload: 'x', qos: 1, properties });

    const { properties: dropped } = await receiveWhole(old, 'a', 'x', { qos: 1 });
    expect(dropped).toBeUndefined();
    const { properties: forwarded } = await receiveWhole(recent, 'a', 'x', { qos: 1 });
    expect(forwarded).toEqual({ ...properties, subscriptionIdentifiers: [7] });
  });

  it('resolves a topic alias for a 3.1.1 client', async () => {
    const broker = await start();
    const old = await connected(broker, 4);
    await old.subscribe('long/topic');
    const publisher = await connected(broker, 5);

    publisher.publish('long/topic', { payload: '1', properties: { topicAlias: 1 } });
    publisher.publish('', { payload: '2', properties: { topicAlias: 1 } });

    await old.expectPublish('long/topic', '1');
    await old.expectPublish('long/topic', '2');
  });

  it('lets a message expire for 3.1.1 clients as well', async () => {
    const broker = await start();
    const publisher = await connected(broker, 5);
    const old = await connected(broker, 4, lasting(4));
    await old.subscribe('a', { qos: 1 });
    await leave(old);
    for (const messageExpiryInterval of [10, 100]) {
      const options = { qos: 1, retain: true, properties: { messageExpiryInterval } } as const;
      await publishWhole(publisher, 'a', { payload: `${messageExpiryInterval}`, ...options });
      await publishWhole(publisher, `kept/${messageExpiryInterval}`, { payload: 'x', ...options });
    }

    broker.clock.advance(11);

    const again = await connected(broker, 4, lasting(4));
    await receiveWhole(again, 'a', '100', { qos: 1 });
    await again.subscribe('kept/+');
    await again.expectPublish('kept/100', 'x', { retain: true });
    await again.expectNothing();
  });

  it('takes a 3.1.1 client that answers no reason codes for one that has received everything', async () => {
    const broker = await start();
    const old = await connected(broker, 4);
    await old.subscribe('a', { qos: 2 });
    await publishWhole(await connected(broker, 5), 'a', { payload: 'x', qos: 2 });
    const { packetId } = await old.expectPublish('a', 'x');

    old.send({ type: PacketType.PUBREC, packetId, reasonCode: 0 });

    await old.expectHex(`62 02 ${packetId.toString(16).padStart(4, '0')}`);
  });

  it.each([
    [4, 5],
    [5, 4],
    [3, 5],
    [4, 3],
  ] as const)(
    'a session goes on when its client comes back with another version: %d, then %d',
    async (before, after) => {
      const broker = await start();
      const publisher = await connected(broker, 5);
      const client = await connected(broker, before, lasting(before));
      await client.subscribe('a', { qos: 2 });
      await publishWhole(publisher, 'a', { payload: 'sent', qos: 2, properties });
      const { packetId } = await client.expectPublish('a', 'sent');
      await leave(client);
      await publishWhole(publisher, 'a', { payload: 'queued', qos: 1, properties });

      const again = await connected(broker, after, lasting(after));

      await again.expectPublish('a', 'sent', { qos: 2, dup: true, packetId });
      const { properties: received } = await again.expectPublish('a', 'queued', { qos: 1, dup: false });
      expect(received).toEqual(after === 5 ? properties : undefined);
    },
  );

  it('shares a subscription between 3.1.1 and 5.0 clients', async () => {
    const broker = await start();
    const publisher = await connected(broker, 5);
    const [old, recent] = [await connected(broker, 4), await connected(broker, 5)];
    for (const client of [old, recent]) await client.subscribe('$share/g/a', { qos: 1 });

    for (const payload of ['1', '2']) await publishWhole(publisher, 'a', { payload, qos: 1, properties });

    await receiveWhole(old, 'a', '1', { qos: 1 });
    await receiveWhole(recent, 'a', '2', { qos: 1 });
    for (const client of [old, recent]) await client.expectNothing();
  });
});
