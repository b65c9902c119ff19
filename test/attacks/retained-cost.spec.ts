import { expect, it } from '@jest/globals';
import type { Message } from '../../lib/broker/message.js';
import { PacketType } from '../../lib/protocol/packets.js';
import { describeInMemory, publishKept, publishOf, sendTogether } from '../support/scenario.js';
import type { TestBroker } from '../support/test-broker.js';

const { PUBACK } = PacketType;
const pairs = (count: number, text = '') => Array.from({ length: count }, () => [text, text] as const);

/** Encoded forms that a message keeps beside the bytes it came in. */
const derivedFrames = (message: Message): number => message['made']?.filter((frame) => frame !== undefined).length ?? 0;

describeInMemory('what retained messages cost', (start) => {
  it('[A36] messages that are mostly properties end at the bound of the bytes as well', async () => {
    const maximumRetainedBytes = 100_000;
    const broker = await start({ limits: { maximumRetainedBytes } });
    const publisher = await broker.client();
    const userProperties = pairs(100, 'x'.repeat(10));

    const codes: number[] = [];
    for (let number = 0; number < 100; number++) {
      publisher.publish(`a/${number}`, { qos: 1, retain: true, payload: 'x', properties: { userProperties } });
      const puback = await publisher.next(PUBACK);
      if ('reasonCode' in puback) codes.push(puback.reasonCode);
    }

    const kept = broker.broker.retained.size;
    expect(kept).toBeGreaterThan(0);
    expect(kept * 100 * 20).toBeLessThanOrEqual(maximumRetainedBytes);
    expect(codes.filter((code) => code === 0x97)).toHaveLength(100 - kept);
  });

  it('[A36] removing and replacing them gives all their bytes back', async () => {
    const broker = await start({ limits: { maximumRetainedBytes: 50_000 } });
    const publisher = await broker.client();

    for (let round = 0; round < 50; round++) {
      const properties = { userProperties: pairs(round % 2 === 0 ? 100 : 10, 'x') };
      publisher.publish('a', { qos: 1, retain: true, payload: 'x', properties });
      await publisher.expect({ type: PUBACK, reasonCode: 0x10 });
      if (round % 5 === 0) await publishKept(publisher, 'a', { retain: true });
    }
    await publishKept(publisher, 'a', { retain: true });

    expect(broker.broker.retained['bytes']).toBe(0);
  });

  it('[A9] 16,384 user properties are taken, one more ends the connection with 0x97', async () => {
    const broker = await start();
    const subscriber = await broker.client();
    await subscriber.subscribe('a');
    const publisher = await broker.client();
    await publishKept(publisher, 'a', { properties: { userProperties: pairs(16_384) } });
    const { properties } = await subscriber.expectPublish('a', '');
    expect(properties?.userProperties).toHaveLength(16_384);

    publisher.publish('a', { qos: 1, properties: { userProperties: pairs(16_385) } });

    await publisher.expectDisconnect(0x97);
    await subscriber.expectNothing();
  });

  it.each([0, 1, 2] as const)(
    '[A36] a retained message keeps only the bytes it came in, whatever forms subscribers got it in, QoS %i',
    async (qos) => {
      const broker = await start();
      const live = [await broker.client(4), await broker.client(5)];
      for (const client of live) await client.subscribe([{ filter: 'a', qos: 0 }]);
      for (const client of live) await client.subscribe([{ filter: '+', qos: 1 }]);
      const publisher = await broker.client(5);
      publisher.publish('a', { qos, retain: true, payload: 'x', properties: { contentType: 'text' } });
      await publisher.settled();
      const message = broker.broker.retained.get('a')!;
      expect(derivedFrames(message)).toBe(0);

      for (const version of [4, 5] as const) {
        for (const wanted of [0, 1] as const) {
          const late = await broker.client(version);
          await late.subscribe('a', { qos: wanted });
          await late.expectPublish('a', 'x');
        }
      }

      expect(derivedFrames(message)).toBe(0);
    },
  );

  it.each([4, 5] as const)(
    '[A36] nor do those that waited for acknowledgements keep more, version %i',
    async (version) => {
      const broker = await start({ limits: { maximumInFlight: 1 } });
      const publisher = await broker.client(version === 4 ? 5 : 4);
      const topics = ['a/1', 'a/2', 'a/3'];
      for (const topic of topics) await publishKept(publisher, topic, { retain: true, payload: 'x' });
      const late = await broker.client(version);

      await late.subscribe('a/+', { qos: 1 });
      for (const topic of topics) late.acknowledge(PUBACK, (await late.expectPublish(topic, 'x')).packetId);
      await late.expectNothing();

      for (const topic of topics) expect(derivedFrames(broker.broker.retained.get(topic)!)).toBe(0);
    },
  );

  it('[A36] serves a filter that matches nothing in slices: another client is answered in between', async () => {
    const broker = await start();
    await retain(broker, 20_000);
    const subscriber = await broker.client(5, { clientId: 'sub' });
    const other = await broker.client();
    const session = broker.broker.sessions.get('sub')!;

    await subscriber.subscribe('+/+/none');
    let answered = 0;
    while (session['retained'] !== undefined) {
      await other.expectNothing();
      answered++;
    }

    // A client in memory is answered about every other time that the event loop goes round.
    expect(answered).toBeGreaterThanOrEqual(10);
    await subscriber.expectNothing();
  });

  async function retain(broker: TestBroker, count: number): Promise<void> {
    const publisher = await broker.client();
    for (let at = 0; at < count; at += 1000) {
      const topics = Array.from({ length: 1000 }, (_, index) => `flood/${at + index}/some`);
      sendTogether(
        publisher,
        topics.map((topic) => publishOf(topic, { retain: true, payload: 'x' })),
      );
      await publisher.settled();
    }
  }
});
