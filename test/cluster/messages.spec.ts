import { describe, expect, it } from '@jest/globals';
import { PacketType, type QoS } from '../../lib/protocol/packets.js';
import { cluster, untilWanted } from '../support/cluster.js';
import { publishWhole, receiveWhole } from '../support/exchanges.js';

const { start } = cluster();

describe('messages between two nodes', () => {
  it.each<QoS>([0, 1, 2])('at QoS %d reach a subscriber on the other node', async (qos) => {
    const [one, other] = [await start(), await start()];
    const subscriber = await other.client();
    await subscriber.subscribe('sensors/+/temperature', { qos });
    await untilWanted(one, 'sensors/7/temperature');

    const publisher = await one.client();
    await publishWhole(publisher, 'sensors/7/temperature', { payload: '21.5', qos });

    await receiveWhole(subscriber, 'sensors/7/temperature', '21.5', { qos });
  });

  it.each(['#', '+/b/+', 'a/#', 'a/b/c'])('match %s where the subscriber is', async (filter) => {
    const [one, other] = [await start(), await start()];
    const subscriber = await other.client();
    await subscriber.subscribe(filter);
    await untilWanted(one, 'a/b/c');

    const publisher = await one.client();
    publisher.publish('a/b/c', { payload: 'x' });

    await subscriber.expectPublish('a/b/c', 'x');
  });

  it('come once where several filters of a node match, and to every node that wants them', async () => {
    const nodes = [await start(), await start(), await start()];
    const subscribers = await Promise.all(nodes.map((node) => node.client()));
    for (const subscriber of subscribers) await subscriber.subscribe(['a/#', 'a/+']);
    await untilWanted(nodes[0], 'a/b', 2);
    const publisher = await nodes[0].client();

    await publishWhole(publisher, 'a/b', { payload: 'first', qos: 1 });
    await publishWhole(publisher, 'a/b', { payload: 'second', qos: 1 });

    for (const subscriber of subscribers) {
      await subscriber.expectPublish('a/b', 'first');
      await subscriber.expectPublish('a/b', 'second');
    }
  });

  it('carry every property, and the RETAIN flag for Retain As Published', async () => {
    const [one, other] = [await start(), await start()];
    const subscriber = await other.client();
    await subscriber.subscribe(
      { filter: 'a', retainAsPublished: true, qos: 1 },
      { properties: { subscriptionIdentifiers: [7] } },
    );
    await untilWanted(one, 'a');
    const properties = {
      payloadFormatIndicator: 1,
      messageExpiryInterval: 60,
      contentType: 'text/plain',
      responseTopic: 'answers',
      correlationData: Buffer.from('0102', 'hex'),
      userProperties: [
        ['k', 'v'],
        ['k', 'w'],
      ] as [string, string][],
    };

    const publisher = await one.client();
    publisher.publish('a', { payload: 'x', qos: 1, retain: true, properties });

    const received = await subscriber.expectPublish('a', 'x', { retain: true, qos: 1 });
    expect(received.properties).toEqual({ ...properties, subscriptionIdentifiers: [7] });
  });

  it('[MQTT-3.8.3-3] do not come back to their publisher with No Local, wherever its session is', async () => {
    const [one, other] = [await start(), await start()];
    const subscriber = await other.client(5, { clientId: 'other' });
    await subscriber.subscribe([{ filter: 'a', noLocal: true }]);
    const self = await one.client(5, { clientId: 'self' });
    await self.subscribe([{ filter: 'a', noLocal: true }]);
    await untilWanted(one, 'a');

    self.publish('a', { payload: 'x' });

    await subscriber.expectPublish('a', 'x');
    await self.expectNothing();
  });

  it('stay in the order of their publisher, at each QoS', async () => {
    const [one, other] = [await start(), await start()];
    const subscriber = await other.client();
    await subscriber.subscribe('a/#', { qos: 2 });
    await untilWanted(one, 'a/0');
    const publisher = await one.client();
    const numbers = Array.from({ length: 600 }, (_, number) => number);

    for (const number of numbers) publisher.publish('a/0', { payload: String(number), qos: (number % 3) as QoS });
    const received: number[][] = [[], [], []];
    for (let count = 0; count < numbers.length;) {
      const packet = await subscriber.next();
      if (packet.type === PacketType.PUBREL) subscriber.acknowledge(PacketType.PUBCOMP, packet.packetId);
      if (packet.type !== PacketType.PUBLISH) continue;
      count++;
      received[packet.qos].push(Number(packet.payload.toString()));
      if (packet.qos === 1) subscriber.acknowledge(PacketType.PUBACK, packet.packetId);
      if (packet.qos === 2) subscriber.acknowledge(PacketType.PUBREC, packet.packetId);
    }

    for (const qos of [0, 1, 2]) expect(received[qos]).toEqual(numbers.filter((number) => number % 3 === qos));
  });

  it('are not sent to a node whose last subscriber has left', async () => {
    const [one, other] = [await start(), await start()];
    const subscriber = await other.client();
    await subscriber.subscribe('a');
    await untilWanted(one, 'a');

    subscriber.send({ type: PacketType.UNSUBSCRIBE, packetId: 9, filters: ['a'] });
    await untilWanted(one, 'a', 0);

    const publisher = await one.client();
    publisher.publish('a', { qos: 1 });
    await publisher.expect({ type: PacketType.PUBACK, reasonCode: 0x10 });
  });

  it('reach subscribers of a node that was there before, from one that joins', async () => {
    const one = await start();
    const subscriber = await one.client();
    await subscriber.subscribe('a/+');
    const late = await start();

    const publisher = await late.client();
    publisher.publish('a/b', { payload: 'x' });

    await subscriber.expectPublish('a/b', 'x');
  });
});
