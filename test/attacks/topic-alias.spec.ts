import { expect, it } from '@jest/globals';
import { encodePacket } from '../../lib/protocol/packet-encoder.js';
import { expectRefused, leave, payloadsOf, publishOf, readAll, resume, sendTogether } from '../support/scenario.js';
import { describeOverTransports } from '../support/test-broker.js';

describeOverTransports('topic aliases', (start) => {
  it.each([
    ['0', 0, 'a', [0x94]],
    ['above the maximum', 65, 'a', [0x94]],
    ['65,535', 65_535, '', [0x94, 0x82]],
    ['that was never set', 1, '', [0x82]],
  ] as const)('[A11] closes the connection on an alias %s', async (_what, topicAlias, topic, reasonCodes) => {
    const broker = await start();
    const subscriber = await broker.client();
    const client = await broker.client();
    await subscriber.subscribe('#');

    client.publish(topic, { qos: 1, payload: 'x', properties: { topicAlias } });

    await expectRefused(client, ...reasonCodes);
    await subscriber.expectNothing();
  });

  it('[A11] closes the connection on an empty topic without alias', async () => {
    const broker = await start();
    const client = await broker.client();

    client.publish('', { payload: 'x' });

    await expectRefused(client, 0x81, 0x82, 0x90);
  });

  it('[A11] an alias does not outlive its connection, however that ended', async () => {
    const broker = await start();
    const subscriber = await broker.client();
    await subscriber.subscribe('#');
    for (const end of ['leave', 'drop', 'takeover']) {
      const first = await resume(broker, 'publisher');
      first.publish('secret', { payload: 'x', properties: { topicAlias: 1 } });
      await first.settled();
      await subscriber.expectPublish('secret', 'x');
      if (end === 'leave') await leave(first);
      if (end === 'drop') first.drop();

      const second = await resume(broker, 'publisher');
      second.publish('', { payload: 'x', properties: { topicAlias: 1 } });

      await expectRefused(second, 0x82);
      await subscriber.expectNothing();
    }
  });

  it('[A11] a topic that is refused sets no alias that others could use', async () => {
    const broker = await start();
    const subscriber = await broker.client();
    await subscriber.subscribe('#');
    const client = await broker.client();

    sendTogether(client, [
      publishOf('a', { payload: 'one', properties: { topicAlias: 1 } }),
      publishOf('b', { payload: 'two', properties: { topicAlias: 0 } }),
      publishOf('', { payload: 'three', properties: { topicAlias: 1 } }),
    ]);

    await expectRefused(client, 0x94);
    await subscriber.expectPublish('a', 'one');
    await subscriber.expectNothing();
  });

  it.each([
    ['Remaining Length', 0, 128],
    ['Property Length', 125, 300],
    ['both lengths', 125, 16_384],
  ])(
    '[A32] no alias is used that was lost with a message too large, where %s takes a byte more',
    async (_what, properties, remaining) => {
      const broker = await start();
      const publisher = await broker.client();
      for (let room = 0; room <= 6; room++) {
        const maximumPacketSize = remaining + 3 + room;
        const subscriber = await broker.client(5, { properties: { topicAliasMaximum: 100, maximumPacketSize } });
        await subscriber.subscribe('#');
        const sizes = [-2, -1, 0, 1, 2, 3].flatMap((more) =>
          [-3, -2, -1, 0, 1, 2].map((other) => [more, other] as const),
        );
        const packets = sizes.flatMap(([more, other], index) => {
          const topic = topicOf(index);
          const large = publishWith(topic, Math.max(0, properties + more), remaining + other);
          return [large, publishOf(topic, { payload: topic })];
        });

        sendTogether(publisher, packets);
        await publisher.settled();

        const known = new Map<number, string>();
        const small: string[] = [];
        for (const packet of await readAll(subscriber)) {
          expect(encodePacket(packet, 5).length).toBeLessThanOrEqual(maximumPacketSize);
          if (!('payload' in packet)) throw new Error(`a packet of type ${packet.type} came`);
          const alias = packet.properties?.topicAlias;
          if (alias !== undefined && packet.topic !== '') known.set(alias, packet.topic);
          const topic = packet.topic === '' ? known.get(alias!) : packet.topic;
          expect(topic).toBeDefined();
          if (packet.payload.length === topicOf(0).length) small.push(`${topic} ${packet.payload.toString()}`);
        }
        expect(small).toEqual(sizes.map((_size, index) => `${topicOf(index)} ${topicOf(index)}`));
        await leave(subscriber);
      }
    },
  );

  it.each(['a', 'ab', 'abc', 'abcd', 'abcde', 'é', 'éé'])(
    '[A32] what fits is sent, also where an alias takes more than the topic name %j',
    async (topic) => {
      const broker = await start();
      const publisher = await broker.client();
      for (const propertyLength of [0, 124, 125, 126, 127]) {
        const maximumPacketSize = 60 + propertyLength;
        const subscriber = await broker.client(5, { properties: { topicAliasMaximum: 5, maximumPacketSize } });
        await subscriber.subscribe('#');
        const fitting = publishWith(topic, propertyLength, maximumPacketSize - (propertyLength === 0 ? 2 : 3));
        expect(encodePacket(fitting, 5)).toHaveLength(maximumPacketSize);

        sendTogether(publisher, [publishOf(topic, { payload: 'small' }), fitting, fitting]);
        await publisher.settled();

        expect(payloadsOf(await readAll(subscriber))).toEqual(['small', ...payloadsOf([fitting, fitting])]);
        await leave(subscriber);
      }
    },
  );

  const topicOf = (index: number): string => `topic/${`${index}`.padStart(2, '0')}`;

  /** A PUBLISH whose properties and whole body have these lengths, as nearly as can be. */
  function publishWith(topic: string, propertyLength: number, remainingLength: number) {
    const value = 'x'.repeat(Math.max(0, propertyLength - 5));
    const properties = propertyLength < 5 ? undefined : { userProperties: [['', value]] as const };
    const empty = encodePacket(publishOf(topic, { properties }), 5);
    const header = empty.length - 2 < 128 ? 2 : 3;
    return publishOf(topic, { properties, payload: 'x'.repeat(remainingLength - (empty.length - header)) });
  }
});
