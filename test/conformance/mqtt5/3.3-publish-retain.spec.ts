import { expect, it } from '@jest/globals';
import { PacketType, type QoS } from '../../../lib/protocol/packets.js';
import { payloadsOf, publishKept, readAll, resume } from '../../support/scenario.js';
import { describeAlsoInRedis } from '../../support/test-broker.js';

describeAlsoInRedis('3.3 PUBLISH, RETAIN', (start) => {
  it('[MQTT-3.3.1-5] stores the message with RETAIN 1 in place of the one before', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const properties = { contentType: 'text/plain', userProperties: [['unit', 'K']] as const };
    await publishKept(publisher, 'a/b', { retain: true, payload: 'one', properties: { contentType: 'old' } });
    await publishKept(publisher, 'a/b', { retain: true, payload: 'two', properties });
    await publishKept(publisher, 'a/c', { retain: true, payload: 'other' });

    const subscriber = await broker.client();
    await subscriber.subscribe('a/b', { qos: 2 });

    const packet = await subscriber.expectPublish('a/b', 'two', { retain: true, qos: 1 });
    expect(packet.properties).toEqual(properties);
    await subscriber.expectNothing();
  });

  it.each([
    [0, 2, 0],
    [1, 2, 1],
    [2, 2, 2],
    [2, 1, 1],
    [2, 0, 0],
  ] as const)(
    '[MQTT-3.3.1-5] keeps the QoS with it: published at %i, subscribed at %i, sent at %i',
    async (published, subscribed, sent) => {
      const broker = await start();
      const publisher = await broker.client();
      publisher.publish('a', { retain: true, payload: 'x', qos: published });
      await publisher.settled();

      const subscriber = await broker.client();
      await subscriber.subscribe('a', { qos: subscribed });

      await subscriber.expectPublish('a', 'x', { retain: true, qos: sent, dup: false });
    },
  );

  it('[MQTT-3.3.1-5] keeps the message after its publisher has gone', async () => {
    const broker = await start();
    const publisher = await broker.client();
    publisher.publish('a', { retain: true, payload: 'x' });
    publisher.disconnect();
    await publisher.expectClosed();

    const subscriber = await broker.client();
    await subscriber.subscribe('a');

    await subscriber.expectPublish('a', 'x', { retain: true });
  });

  it('[MQTT-3.3.1-6] delivers an empty retained message as usual and removes the retained one', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const subscriber = await broker.client();
    await subscriber.subscribe('a');
    publisher.publish('a', { retain: true, payload: 'x' });
    publisher.publish('a', { retain: true, payload: '' });

    await subscriber.expectPublish('a', 'x', { retain: false });
    await subscriber.expectPublish('a', '', { retain: false });

    const later = await broker.client();
    await later.subscribe('a');
    await later.expectNothing();
  });

  it('[MQTT-3.3.1-7] never stores an empty retained message', async () => {
    const broker = await start();
    const publisher = await broker.client();
    await publishKept(publisher, 'a', { retain: true, payload: '', properties: { contentType: 'text/plain' } });

    const subscriber = await broker.client();
    await subscriber.subscribe('#');

    await subscriber.expectNothing();
    expect(broker.broker.retained.size).toBe(0);
  });

  it('[MQTT-3.3.1-8] neither stores a message with RETAIN 0 nor touches the retained one', async () => {
    const broker = await start();
    const publisher = await broker.client();
    await publishKept(publisher, 'a', { retain: true, payload: 'kept' });
    await publishKept(publisher, 'a', { payload: 'passing' });
    await publishKept(publisher, 'a', { payload: '' });
    await publishKept(publisher, 'b', { payload: 'passing' });

    const subscriber = await broker.client();
    await subscriber.subscribe('#');

    await subscriber.expectPublish('a', 'kept', { retain: true });
    await subscriber.expectNothing();
  });

  it('[MQTT-3.3.1-9] sends all matching retained messages at every SUBSCRIBE with Retain Handling 0', async () => {
    const broker = await start();
    const publisher = await broker.client();
    for (const topic of ['a', 'a/b', 'a/b/c', 'x', '$own/a']) {
      await publishKept(publisher, topic, { retain: true, payload: topic });
    }
    const subscriber = await broker.client();

    for (const [filter, expected] of [
      ['a/#', ['a', 'a/b', 'a/b/c']],
      ['a/#', ['a', 'a/b', 'a/b/c']],
      ['+', ['a', 'x']],
      ['#', ['a', 'a/b', 'a/b/c', 'x']],
      ['$own/+', ['$own/a']],
      ['a/+/c', ['a/b/c']],
      ['nothing', []],
    ] as const) {
      await subscriber.subscribe({ filter, retainHandling: 0 });

      const packets = await readAll(subscriber);
      expect(payloadsOf(packets).sort()).toEqual(expected);
      expect(packets.every((packet) => 'retain' in packet && packet.retain)).toBe(true);
    }
  });

  it('[MQTT-3.3.1-10] with Retain Handling 1 sends them only when there was no such subscription', async () => {
    const broker = await start();
    const publisher = await broker.client();
    await publishKept(publisher, 'a', { retain: true, payload: 'x' });
    const subscriber = await resume(broker, 'sub');

    await subscriber.subscribe({ filter: 'a', retainHandling: 1 });
    await subscriber.expectPublish('a', 'x', { retain: true });
    await subscriber.subscribe({ filter: 'a', retainHandling: 1, qos: 1 });
    await subscriber.expectNothing();
    await subscriber.subscribe({ filter: '+', retainHandling: 1 });
    await subscriber.expectPublish('a', 'x', { retain: true });

    subscriber.send({ type: PacketType.UNSUBSCRIBE, packetId: 99, filters: ['a'] });
    await subscriber.next(PacketType.UNSUBACK);
    await subscriber.subscribe({ filter: 'a', retainHandling: 1 });
    await subscriber.expectPublish('a', 'x', { retain: true });
  });

  it('[MQTT-3.3.1-10] a subscription of a resumed session exists already', async () => {
    const broker = await start();
    const publisher = await broker.client();
    await publishKept(publisher, 'a', { retain: true, payload: 'x' });
    const first = await resume(broker, 'sub');
    await first.subscribe({ filter: 'a', retainHandling: 2 });
    first.drop();

    const second = await resume(broker, 'sub');
    await second.expectNothing();
    await second.subscribe({ filter: 'a', retainHandling: 1 });
    await second.expectNothing();
  });

  it('[MQTT-3.3.1-11] with Retain Handling 2 sends none', async () => {
    const broker = await start();
    const publisher = await broker.client();
    await publishKept(publisher, 'a', { retain: true, payload: 'x' });
    const subscriber = await broker.client();

    await subscriber.subscribe({ filter: 'a', retainHandling: 2 });
    await subscriber.subscribe({ filter: 'a', retainHandling: 2 });

    await subscriber.expectNothing();
    publisher.publish('a', { retain: true, payload: 'live' });
    await subscriber.expectPublish('a', 'live', { retain: false });
  });

  it('[MQTT-3.3.1-9] [MQTT-3.3.1-11] treats each filter of a SUBSCRIBE by its own Retain Handling', async () => {
    const broker = await start();
    const publisher = await broker.client();
    await publishKept(publisher, 'a', { retain: true, payload: 'a' });
    await publishKept(publisher, 'b', { retain: true, payload: 'b' });
    const subscriber = await broker.client();

    await subscriber.subscribe([
      { filter: 'a', retainHandling: 2 },
      { filter: 'b', retainHandling: 0 },
    ]);

    await subscriber.expectPublish('b', 'b');
    await subscriber.expectNothing();
  });

  it.each([0, 1, 2] as const)(
    '[MQTT-3.3.1-12] forwards with RETAIN 0 without Retain As Published, QoS %i',
    async (qos) => {
      const broker = await start();
      await expectForwarded(broker, qos, false, [false, false]);
    },
  );

  it.each([0, 1, 2] as const)(
    '[MQTT-3.3.1-13] forwards RETAIN as received with Retain As Published, QoS %i',
    async (qos) => {
      const broker = await start();
      await expectForwarded(broker, qos, true, [true, false]);
    },
  );

  async function expectForwarded(
    broker: Awaited<ReturnType<typeof start>>,
    qos: QoS,
    retainAsPublished: boolean,
    [first, second]: readonly boolean[],
  ): Promise<void> {
    const subscriber = await broker.client();
    const publisher = await broker.client();
    await subscriber.subscribe({ filter: 'a', qos, retainAsPublished });

    publisher.publish('a', { qos, retain: true, payload: 'one' });
    publisher.publish('a', { qos, retain: false, payload: 'two' });

    await subscriber.expectPublish('a', 'one', { qos, retain: first });
    await subscriber.expectPublish('a', 'two', { qos, retain: second });
  }
});
