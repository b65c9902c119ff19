import { expect, it, jest } from '@jest/globals';
import { Deliveries } from '../../lib/broker/deliveries.js';
import { RetainedDelivery } from '../../lib/broker/retained-delivery.js';
import { PacketType } from '../../lib/protocol/packets.js';
import { payloads, receiveAll } from '../support/exchanges.js';
import { describeInMemory, publishKept, publishOf, sendTogether, untilAway } from '../support/scenario.js';
import type { WireClient } from '../support/wire-client.js';

const { UNSUBSCRIBE, UNSUBACK } = PacketType;
const filtersOf = (count: number, prefix = 'a') => Array.from({ length: count }, (_, index) => `${prefix}/${index}`);

describeInMemory('subscriptions that are costly to keep', (start) => {
  it('[A10] a SUBSCRIBE and an UNSUBSCRIBE with 4,096 filters are served', async () => {
    const client = await (await start()).client();

    const { reasonCodes } = await client.subscribe(filtersOf(4096));

    expect(reasonCodes).toEqual(Array.from({ length: 4096 }, () => 0));
    const unsuback = await unsubscribe(client, filtersOf(4096));
    expect('reasonCodes' in unsuback && unsuback.reasonCodes).toEqual(Array.from({ length: 4096 }, () => 0));
  });

  it.each([4, 5] as const)(
    '[A10] a SUBSCRIBE with more filters ends the connection with 0x97 and subscribes to none, version %i',
    async (version) => {
      const broker = await start();
      const client = await broker.client(version);
      const defaults = { qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
      const subscriptions = filtersOf(4097).map((filter) => ({ filter, ...defaults }));

      client.send({ type: PacketType.SUBSCRIBE, packetId: 1, subscriptions });

      await client.expectDisconnect(0x97);
      expect(broker.broker.topics.size).toBe(0);
    },
  );

  it.each([4, 5] as const)('[A10] an UNSUBSCRIBE with more filters ends it as well, version %i', async (version) => {
    const client = await (await start()).client(version);

    client.send({ type: UNSUBSCRIBE, packetId: 1, filters: filtersOf(4097) });

    await client.expectDisconnect(0x97);
  });

  it('[A10] the bytes of a session’s filters are bounded with 0x97, and UNSUBSCRIBE gives room back', async () => {
    const broker = await start({ limits: { maximumSubscriptionBytes: 30 } });
    const client = await broker.client(5, { clientId: 'c' });
    const [first, second, third] = ['a', 'b', 'c'].map((letter) => letter.repeat(12));

    expect((await client.subscribe([first, second, third, 'dddddd', 'e'])).reasonCodes).toEqual([0, 0, 0x97, 0, 0x97]);
    // The same filter replaces: it takes no more room.
    expect((await client.subscribe([second], { qos: 1 })).reasonCodes).toEqual([1]);
    await unsubscribe(client, [first, third]);

    expect((await client.subscribe([third, 'e'])).reasonCodes).toEqual([0, 0x97]);
    await unsubscribe(client, [second, third, 'dddddd', 'e']);
    expect(broker.broker.sessions.get('c')!.subscriptionBytes).toBe(0);
    expect((await client.subscribe('x'.repeat(30))).reasonCodes).toEqual([0]);
  });

  it('[A10] the bound is each session’s own, and counts shared subscriptions', async () => {
    const broker = await start({ limits: { maximumSubscriptionBytes: 12 } });

    for (let turn = 0; turn < 2; turn++) {
      const client = await broker.client();
      expect((await client.subscribe(['$share/g/aaa', 'a'])).reasonCodes).toEqual([0, 0x97]);
    }
  });

  it('[A36] retained messages that wait for many filters cost a live message no look at each of them', async () => {
    const broker = await start();
    const publisher = await broker.client();
    for (const number of [1, 2, 3]) {
      await publishKept(publisher, `kept/${number}`, { retain: true, payload: `kept ${number}` });
    }
    const stuck = await broker.client(5, { clientId: 'stuck', properties: { receiveMaximum: 1 } });
    await stuck.subscribe(['kept/+', 'live', ...filtersOf(2000, 'none')], { qos: 1 });
    const looked = jest.spyOn(RetainedDelivery.prototype, 'sendNow');

    for (let number = 0; number < 50; number++) await publishKept(publisher, 'live', { payload: `live ${number}` });
    await publishKept(publisher, 'kept/3', { payload: 'live on kept/3' });
    const looks = looked.mock.calls.length;
    looked.mockRestore();

    expect(looks).toBeLessThanOrEqual(51);
    // [MQTT-4.6.0-5] What was retained comes before what was published on its topic later.
    const received = payloads(await receiveUntilQuiet(stuck));
    expect(received).toHaveLength(3 + 50 + 1);
    expect(received.indexOf('kept 3')).toBeLessThan(received.indexOf('live on kept/3'));
    expect(received.filter((payload) => payload.startsWith('kept')).toSorted()).toEqual(['kept 1', 'kept 2', 'kept 3']);
  });

  it('[A45] a session that ends gives its long queue back to many groups in one pass, each message once', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const topics = filtersOf(200, 't');
    const shared = topics.map((topic) => `$share/g/${topic}`);
    const gone = await broker.client(5, { clientId: 'gone', properties: { receiveMaximum: 1 } });
    await gone.subscribe(shared, { qos: 1 });
    const sent = Array.from({ length: 4000 }, (_, index) => `${index}`);
    const packets = sent.map((payload, index) => publishOf(topics[index % topics.length], { qos: 1, payload }));
    for (let at = 0; at < packets.length; at += 1000) {
      sendTogether(
        publisher,
        packets.slice(at, at + 1000).map((packet, index) => ({ ...packet, packetId: index + 1 })),
      );
      await publisher.settled();
    }
    const heir = await broker.client(5, { clientId: 'heir' });
    await heir.subscribe(shared, { qos: 1 });
    const passes = jest.spyOn(Deliveries.prototype, 'takeShared');

    gone.drop();
    await untilAway(broker, 'gone');
    const { length } = passes.mock.calls;
    passes.mockRestore();

    expect(length).toBe(1);
    const received = payloads(await receiveUntilQuiet(heir));
    expect(received).toHaveLength(sent.length);
    expect(received.toSorted()).toEqual(sent.toSorted());
    expect(inOrderPerTopic(received)).toBe(true);
    expect(broker.broker.counters.messagesDropped).toBe(0);
  }, 60_000);

  async function unsubscribe(client: WireClient, filters: readonly string[]) {
    client.send({ type: UNSUBSCRIBE, packetId: 60_000, filters });
    return client.next(UNSUBACK);
  }

  /** Acknowledges until nothing more comes. */
  async function receiveUntilQuiet(client: WireClient) {
    const received = [];
    for (let part = await receiveAll(client); part.length > 0; part = await receiveAll(client)) received.push(...part);
    return received;
  }

  function inOrderPerTopic(received: readonly string[]): boolean {
    const last = new Map<number, number>();
    return received.map(Number).every((number) => {
      const before = last.get(number % 200) ?? -1;
      last.set(number % 200, number);
      return before < number;
    });
  }
});
