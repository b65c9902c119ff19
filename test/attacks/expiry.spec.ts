import { expect, it } from '@jest/globals';
import { PacketType } from '../../lib/protocol/packets.js';
import {
  leave,
  payloadsOf,
  publishKept,
  publishOf,
  readAll,
  readPublishes,
  resume,
  sendTogether,
  untilAway,
} from '../support/scenario.js';
import { describeOverTransports } from '../support/test-broker.js';

const expiring = (messageExpiryInterval: number) => ({ properties: { messageExpiryInterval } });

describeOverTransports('size and time limits of messages', (start) => {
  it.each([0, 1, 2] as const)('[A32] a message too large is dropped for that subscriber only, QoS %i', async (qos) => {
    const broker = await start();
    const small = await broker.client(5, { clientId: 'small', properties: { maximumPacketSize: 100 } });
    const large = await broker.client();
    const publisher = await broker.client();
    await small.subscribe('a', { qos });
    await large.subscribe('a', { qos });

    const payloads = ['one', 'x'.repeat(200), 'two', 'x'.repeat(100), 'three'];
    for (const payload of payloads) publisher.publish('a', { qos, payload });
    await publisher.settled();

    expect(payloadsOf(await readPublishes(large, 5))).toEqual(payloads);
    expect(payloadsOf(await readAll(small))).toEqual(['one', 'two', 'three']);
    expect(broker.broker.counters.messagesDropped).toBe(2);
  });

  it('[A32] the limit is exact to the byte, with packet identifier and properties', async () => {
    const broker = await start();
    const subscriber = await broker.client(5, { clientId: 's', properties: { maximumPacketSize: 60 } });
    const publisher = await broker.client();
    await subscriber.subscribe('a', { qos: 1, properties: { subscriptionIdentifiers: [300] } });

    // header 2, topic 3, identifier 2, properties 1 + 3 + 5
    for (const size of [44, 45, 43]) publisher.publish('a', { qos: 1, payload: 'x'.repeat(size), ...expiring(60) });
    await publisher.settled();

    expect(payloadsOf(await readAll(subscriber)).map((payload) => payload.length)).toEqual([44, 43]);
  });

  it('[A32] a queue with large messages in it goes on, and Receive Maximum 1 does not stall', async () => {
    const broker = await start();
    const publisher = await broker.client();
    await (await resume(broker, 'sub')).subscribe('a', { qos: 1 });
    await leave(await resume(broker, 'sub'));
    for (const payload of ['x'.repeat(500), 'one', 'x'.repeat(500), 'x'.repeat(500), 'two']) {
      await publishKept(publisher, 'a', { payload });
    }

    const subscriber = await resume(broker, 'sub', { maximumPacketSize: 100, receiveMaximum: 1 });

    const one = await subscriber.expectPublish('a', 'one');
    subscriber.acknowledge(PacketType.PUBACK, one.packetId);
    await subscriber.expectPublish('a', 'two');
    await subscriber.expectNothing();
  });

  it('[A32] what was in flight and is too large for the new connection is settled', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const first = await resume(broker, 'sub');
    await first.subscribe('a', { qos: 2 });
    for (const payload of ['x'.repeat(500), 'one']) publisher.publish('a', { qos: 2, payload });
    await readPublishes(first, 2);
    first.drop();

    const second = await resume(broker, 'sub', { maximumPacketSize: 100, receiveMaximum: 1 });

    await second.expectPublish('a', 'one', { dup: true });
    await second.expectNothing();
    expect(broker.broker.sessions.get('sub')!.deliveries.all()).toHaveLength(1);
  });

  it('[A33] expired messages are never sent, from the queue and retained, and what is sent is counted down', async () => {
    const broker = await start();
    const publisher = await broker.client();
    await (await resume(broker, 'sub')).subscribe({ filter: 'a/+', retainHandling: 2 }, { qos: 1 });
    await leave(await resume(broker, 'sub'));
    for (const seconds of [10, 20, 30, 40]) {
      await publishKept(publisher, `a/${seconds}`, { retain: true, payload: `${seconds}`, ...expiring(seconds) });
    }

    broker.clock.advance(20);
    const late = await broker.client();
    await late.subscribe('#');
    const subscriber = await resume(broker, 'sub');

    for (const client of [late, subscriber]) {
      const packets = await readPublishes(client, 2);
      const left = packets.map(({ topic, properties }) => `${topic}: ${properties?.messageExpiryInterval}`);
      expect(left.sort()).toEqual(['a/30: 10', 'a/40: 20']);
      await client.expectNothing();
    }
  });

  it('[A33] an expired retained message gives its room back without being asked for', async () => {
    const broker = await start({ limits: { maximumRetainedMessages: 2 } });
    const publisher = await broker.client();
    for (const topic of ['a', 'b']) await publishKept(publisher, topic, { retain: true, payload: 'x', ...expiring(5) });
    publisher.publish('c', { qos: 1, retain: true, payload: 'x' });
    await publisher.expect({ type: PacketType.PUBACK, reasonCode: 0x97 });

    broker.clock.advance(60);

    publisher.publish('c', { qos: 1, retain: true, payload: 'x' });
    await publisher.expect({ type: PacketType.PUBACK, reasonCode: 0x10 });
    expect(broker.broker.retained.size).toBe(1);
  });

  it('[A33] an expired message in a full queue gives way before one that has not expired', async () => {
    const broker = await start({ limits: { maximumQueuedMessages: 3 } });
    const publisher = await broker.client();
    await (await resume(broker, 'sub')).subscribe('a', { qos: 1 });
    await leave(await resume(broker, 'sub'));
    for (const payload of ['1', '2', '3']) await publishKept(publisher, 'a', { payload, ...expiring(5) });

    broker.clock.advance(60);
    for (const payload of ['4', '5']) await publishKept(publisher, 'a', { payload });

    expect(payloadsOf(await readAll(await resume(broker, 'sub')))).toEqual(['4', '5']);
  });

  it('[A34] a session that ends with messages in flight, queued and half received gives everything back', async () => {
    const broker = await start();
    const { sessions, topics, retained } = broker.broker;
    const publisher = await broker.client(5, { clientId: 'pub' });
    const before = { sessions: sessions.size, topics: topics.size, retained: retained.size };
    const subscriber = await resume(broker, 'sub', { receiveMaximum: 5 });
    await subscriber.subscribe(['a', 'a/+', '#', '$share/group/a'], { qos: 2 });
    sendTogether(
      publisher,
      Array.from({ length: 20 }, (_, index) => publishOf('a', { qos: 2, packetId: index + 1 })),
    );
    const [one] = await readPublishes(subscriber, 5);
    subscriber.acknowledge(PacketType.PUBREC, one.packetId);
    await subscriber.expect({ type: PacketType.PUBREL });
    subscriber.publish('b', { qos: 2 });
    await readAll(subscriber);
    await leave(subscriber);
    expect(sessions.get('sub')!.deliveries.all().length).toBeGreaterThan(20);

    broker.clock.advance(3599);
    expect(sessions.has('sub')).toBe(true);
    broker.clock.advance(2);

    expect({ sessions: sessions.size, topics: topics.size, retained: retained.size }).toEqual(before);
    const again = await broker.open();
    const connack = await again.connect({ clientId: 'sub', cleanStart: false });
    expect(connack.sessionPresent).toBe(false);
    publisher.publish('a', { payload: 'x' });
    await publisher.settled();
    await again.expectNothing();
  });

  it('[A34] a thousand sessions that end leave nothing behind', async () => {
    const broker = await start();
    const { sessions, topics, connections } = broker.broker;
    const count = process.env.MQTTD_TEST_LONG ? 1000 : 50;
    for (let number = 0; number < count; number++) {
      const client = await resume(broker, `sub${number}`);
      await client.subscribe([`own/${number}`, `own/${number}/#`], { qos: 1 });
      client.publish(`own/${number}`, { qos: 1, payload: 'x' });
      await client.settled();
      client.drop();
      await untilAway(broker, `sub${number}`);
    }
    const last = await broker.client();

    broker.clock.advance(3601);

    await last.expectNothing();
    expect(topics.size).toBe(0);
    expect(sessions.size).toBe(1);
    expect(connections.size).toBe(1);
  }, 120_000);
});
