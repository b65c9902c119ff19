import { expect, it } from '@jest/globals';
import { PacketType, type Packet } from '../../lib/protocol/packets.js';
import { describeInMemory, payloadsOf, publishKept, publishOf, readAll, sendTogether } from '../support/scenario.js';
import type { WireClient } from '../support/wire-client.js';

const { PUBACK, PUBREC, PUBLISH } = PacketType;
const isLong = Boolean(process.env.MQTTD_TEST_LONG);
const flood = isLong ? 1_000_000 : 20_000;
const longTimeoutMs = 300_000;

async function retainMany(publisher: WireClient, count: number): Promise<void> {
  for (let sent = 0; sent < count; sent += 1000) {
    const size = Math.min(1000, count - sent);
    sendTogether(
      publisher,
      Array.from({ length: size }, (_, index) =>
        publishOf(`flood/${sent}/${index}`, { retain: true, payload: `${sent + index}` }),
      ),
    );
    await publisher.settled();
  }
}

describeInMemory('a flood of retained messages', (start) => {
  it('[A36] refuses with 0x97 above the number of retained messages, and takes what replaces or removes', async () => {
    const broker = await start({ limits: { maximumRetainedMessages: 3 } });
    const publisher = await broker.client();
    const subscriber = await broker.client();
    await subscriber.subscribe('#');
    for (const topic of ['a', 'b', 'c']) await publishKept(publisher, topic, { retain: true, payload: 'x' });

    publisher.publish('d', { qos: 1, retain: true, payload: 'x' });
    await publisher.expect({ type: PUBACK, reasonCode: 0x97 });
    publisher.publish('d', { qos: 2, retain: true, payload: 'x' });
    await publisher.expect({ type: PUBREC, reasonCode: 0x97 });
    publisher.publish('a', { qos: 1, retain: true, payload: 'y' });
    await publisher.expect({ type: PUBACK, reasonCode: 0 });
    publisher.publish('b', { qos: 1, retain: true, payload: '' });
    await publisher.expect({ type: PUBACK, reasonCode: 0 });
    publisher.publish('d', { qos: 1, retain: true, payload: 'z' });
    await publisher.expect({ type: PUBACK, reasonCode: 0 });

    expect(payloadsOf(await readAll(subscriber))).toEqual(['x', 'x', 'x', 'y', '', 'z']);
    expect(broker.broker.retained.size).toBe(3);
    expect(broker.broker.counters.messagesRefused).toBe(2);
  });

  it('[A36] refuses with 0x97 above their bytes, also when a message would replace a smaller one', async () => {
    const broker = await start({ limits: { maximumRetainedBytes: 10_000 } });
    const publisher = await broker.client();
    await publishKept(publisher, 'a', { retain: true, payload: 'x'.repeat(4000) });
    await publishKept(publisher, 'b', { retain: true, payload: 'x'.repeat(4000) });

    publisher.publish('c', { qos: 1, retain: true, payload: 'x'.repeat(4000) });
    await publisher.expect({ type: PUBACK, reasonCode: 0x97 });
    publisher.publish('b', { qos: 1, retain: true, payload: 'x'.repeat(8000) });
    await publisher.expect({ type: PUBACK, reasonCode: 0x97 });
    publisher.publish('b', { qos: 1, retain: true, payload: 'small' });
    await publisher.expect({ type: PUBACK, reasonCode: 0x10 });
    publisher.publish('c', { qos: 1, retain: true, payload: 'x'.repeat(4000) });
    await publisher.expect({ type: PUBACK, reasonCode: 0x10 });

    const subscriber = await broker.client();
    await subscriber.subscribe('b');
    await subscriber.expectPublish('b', 'small');
  });

  it(
    '[A36] a flood of topics ends at the bound, and removing them all gives everything back',
    async () => {
      const broker = await start({ limits: { maximumRetainedMessages: 5_000 } });
      const publisher = await broker.client();

      await retainMany(publisher, flood);
      expect(broker.broker.retained.size).toBe(5_000);
      for (let sent = 0; sent < 5_000; sent += 1000) {
        for (let index = 0; index < 1000; index++) publisher.publish(`flood/${sent}/${index}`, { retain: true });
      }
      await publisher.settled();

      expect(broker.broker.retained.size).toBe(0);
      await publishKept(publisher, 'a', { retain: true, payload: 'x' });
      const subscriber = await broker.client();
      await subscriber.subscribe('#');
      await subscriber.expectPublish('a', 'x');
      await subscriber.expectNothing();
    },
    longTimeoutMs,
  );

  it(
    '[A36] serves a wildcard subscriber in slices: another client is answered in between',
    async () => {
      const broker = await start({ limits: { maximumRetainedBytes: 1 << 30 } });
      const publisher = await broker.client();
      await retainMany(publisher, flood);
      const subscriber = await broker.client();
      const other = await broker.client();
      let received = 0;
      const receivedAt: number[] = [];
      subscriber.stream.on('data', () => received++);

      await subscriber.subscribe('flood/#');
      const progress = { isServed: false };
      const served = countPublishes(subscriber, flood).finally(() => (progress.isServed = true));
      while (!progress.isServed) {
        await other.expectNothing();
        if (!progress.isServed) receivedAt.push(received);
      }
      await served;

      expect(new Set(receivedAt).size).toBeGreaterThan(flood / 5_000);
      await subscriber.expectNothing();
    },
    longTimeoutMs,
  );

  it('[A36] [MQTT-3.3.1-9] all retained messages come, however small Receive Maximum and queue are', async () => {
    const broker = await start({ limits: { maximumQueuedMessages: 10 } });
    const publisher = await broker.client();
    for (let number = 0; number < 60; number++) {
      await publishKept(publisher, `a/${number}`, { retain: true, payload: `${number}` });
    }
    const subscriber = await broker.client(5, { properties: { receiveMaximum: 4 } });
    await subscriber.subscribe('a/+', { qos: 1 });

    const topics = new Set<string>();
    for (let packets: Packet[] = await readAll(subscriber); packets.length > 0; packets = await readAll(subscriber)) {
      for (const packet of packets) {
        if (packet.type !== PUBLISH) continue;
        topics.add(packet.topic);
        subscriber.acknowledge(PUBACK, packet.packetId);
      }
    }

    expect(topics.size).toBe(60);
    expect(broker.broker.counters.messagesDropped).toBe(0);
  });

  it('[A36] a subscriber that leaves while it is served costs nothing more', async () => {
    const broker = await start();
    const publisher = await broker.client();
    await retainMany(publisher, 5_000);
    const subscriber = await broker.client(5, { clientId: 'sub' });

    await subscriber.subscribe('#');
    subscriber.drop();
    await publisher.settled();

    expect(broker.broker.sessions.has('sub')).toBe(false);
    await publisher.expectNothing();
    const { messagesSent } = broker.broker.counters;
    await publisher.expectNothing();
    expect(broker.broker.counters.messagesSent).toBe(messagesSent);
  });

  /** Without an assertion for each of them: a million takes its time. */
  async function countPublishes(client: WireClient, count: number): Promise<void> {
    for (let left = count; left > 0; left--) {
      const { type } = await client.next();
      if (type !== PUBLISH) throw new Error(`a packet of type ${type} came`);
    }
  }
});
