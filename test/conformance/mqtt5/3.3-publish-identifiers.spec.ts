import { expect, it } from '@jest/globals';
import { PacketType, type Packet, type PublishPacket } from '../../../lib/protocol/packets.js';
import { expectRefused, leave, publishKept, readAll, resume } from '../../support/scenario.js';
import { describeOverTransports } from '../../support/test-broker.js';
import type { WireClient } from '../../support/wire-client.js';

const identified = (identifier: number) => ({ properties: { subscriptionIdentifiers: [identifier] } });

const identifiersOf = (packet: Packet): number[] =>
  [...((packet as PublishPacket).properties?.subscriptionIdentifiers ?? [])].sort((one, other) => one - other);

/** The Subscription Identifiers of the one PUBLISH that has come. */
async function readIdentifiers(client: WireClient): Promise<number[]> {
  const packets = await readAll(client);
  expect(packets).toHaveLength(1);
  return identifiersOf(packets[0]);
}

describeOverTransports('3.3 PUBLISH, Subscription Identifiers and overlapping subscriptions', (start) => {
  it.each([
    [[0, 1, 2], 2, 2],
    [[2, 1, 0], 2, 2],
    [[1, 0, 0], 2, 1],
    [[0, 2, 0], 1, 1],
    [[0, 2, 1], 0, 0],
  ] as const)(
    '[MQTT-3.3.4-2] overlapping subscriptions with QoS %j, published at %i: sent at %i',
    async (subscribed, qos, expected) => {
      const broker = await start();
      const subscriber = await broker.client();
      const publisher = await broker.client();
      for (const [index, filter] of ['a/b', 'a/+', 'a/#'].entries()) {
        await subscriber.subscribe(filter, { qos: subscribed[index] });
      }

      publisher.publish('a/b', { qos, payload: 'x' });
      await publisher.settled();

      await subscriber.expectPublish('a/b', 'x', { qos: expected });
      await subscriber.expectNothing();
    },
  );

  it('[MQTT-3.3.4-3] sends the identifier of the subscription that matches, and none where it has none', async () => {
    const broker = await start();
    const subscriber = await broker.client();
    const publisher = await broker.client();
    await subscriber.subscribe('a', identified(1));
    await subscriber.subscribe('b', identified(268_435_455));
    await subscriber.subscribe('c');

    publisher.send('30 05 0001 61 00 78');
    publisher.send('30 05 0001 62 00 78');
    publisher.send('30 05 0001 63 00 78');

    await subscriber.expectHex('30 07 0001 61 02 0b01 78');
    await subscriber.expectHex('30 0a 0001 62 05 0bffffff7f 78');
    await subscriber.expectHex('30 05 0001 63 00 78');
  });

  it('[MQTT-3.3.4-3] sends it at QoS 1 and 2, with a retained message, from the queue and on redelivery', async () => {
    const broker = await start();
    const publisher = await broker.client();
    await publishKept(publisher, 'a', { payload: 'retained', retain: true });
    const first = await resume(broker, 'sub');
    await first.subscribe('a', { qos: 2, ...identified(9) });
    const properties = { subscriptionIdentifiers: [9] };

    await first.expectPublish('a', 'retained', { properties, qos: 1 });
    publisher.publish('a', { payload: 'two', qos: 2 });
    await first.expectPublish('a', 'two', { properties, qos: 2 });
    await publisher.next(PacketType.PUBREC);
    await leave(first);
    await publishKept(publisher, 'a', { payload: 'queued' });

    const second = await resume(broker, 'sub');
    await second.expectPublish('a', 'retained', { properties, dup: true });
    await second.expectPublish('a', 'two', { properties, dup: true });
    await second.expectPublish('a', 'queued', { properties, dup: false });
  });

  it('[MQTT-3.3.4-3] a subscription made again has its new identifier, or none', async () => {
    const broker = await start();
    const subscriber = await broker.client();
    const publisher = await broker.client();
    const expectIdentifiers = async (...expected: number[]) => {
      publisher.publish('a', { payload: 'x' });
      await publisher.settled();
      expect(await readIdentifiers(subscriber)).toEqual(expected);
    };

    await subscriber.subscribe('a', identified(1));
    await expectIdentifiers(1);
    await subscriber.subscribe('a', identified(2));
    await expectIdentifiers(2);
    await subscriber.subscribe('a');
    await expectIdentifiers();
  });

  it('[MQTT-3.3.4-4] sends one copy with the identifiers of all matching subscriptions', async () => {
    const broker = await start();
    const subscriber = await broker.client();
    const publisher = await broker.client();
    await subscriber.subscribe('a/b', identified(1));
    await subscriber.subscribe('a/+', identified(2));
    await subscriber.subscribe('a/#');
    await subscriber.subscribe('#', identified(200));
    await subscriber.subscribe('x/#', identified(4));

    publisher.publish('a/b', { payload: 'x' });
    await publisher.settled();
    expect(await readIdentifiers(subscriber)).toEqual([1, 2, 200]);

    subscriber.send({ type: PacketType.UNSUBSCRIBE, packetId: 99, filters: ['a/+'] });
    await subscriber.next(PacketType.UNSUBACK);
    publisher.publish('a/b', { payload: 'x' });
    await publisher.settled();
    expect(await readIdentifiers(subscriber)).toEqual([1, 200]);
  });

  it('[MQTT-3.3.4-4] repeats an identifier that several of the subscriptions have', async () => {
    const broker = await start();
    const subscriber = await broker.client();
    const publisher = await broker.client();
    await subscriber.subscribe(['a', '+', '#'], identified(7));

    publisher.publish('a', { payload: 'x' });
    await publisher.settled();

    expect(await readIdentifiers(subscriber)).toEqual([7, 7, 7]);
  });

  it('[MQTT-3.3.4-4] does not mix up the identifiers of different subscribers', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const subscribers = [await broker.client(), await broker.client(), await broker.client()];
    await subscribers[0].subscribe('a', identified(10));
    await subscribers[1].subscribe('+', identified(20));
    await subscribers[2].subscribe('#');

    publisher.publish('a', { payload: 'x' });
    await publisher.settled();

    expect(await readIdentifiers(subscribers[0])).toEqual([10]);
    expect(await readIdentifiers(subscribers[1])).toEqual([20]);
    expect(await readIdentifiers(subscribers[2])).toEqual([]);
  });

  it('[MQTT-3.3.4-5] sends several copies, as by a shared subscription, each with its own identifier', async () => {
    const broker = await start();
    const subscriber = await broker.client();
    const publisher = await broker.client();
    await subscriber.subscribe('a', identified(1));
    await subscriber.subscribe('$share/one/a', identified(2));
    await subscriber.subscribe('$share/two/+', identified(3));

    publisher.publish('a', { payload: 'x' });
    await publisher.settled();

    const packets = await readAll(subscriber);
    expect(packets).toHaveLength(3);
    expect(packets.map(identifiersOf)).toEqual(expect.arrayContaining([[1], [2], [3]]));
  });

  it.each([0, 1, 2] as const)(
    '[MQTT-3.3.4-6] closes the connection on a Subscription Identifier from a client, QoS %i',
    async (qos) => {
      const broker = await start();
      const subscriber = await broker.client();
      const client = await broker.client();
      await subscriber.subscribe('a');

      client.publish('a', { qos, payload: 'x', ...identified(5) });

      await expectRefused(client, 0x82);
      await subscriber.expectNothing();
    },
  );
});
