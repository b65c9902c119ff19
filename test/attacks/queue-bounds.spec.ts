import { describe, expect, it } from '@jest/globals';
import type { Limits } from '../../lib/broker/limits.js';
import { PacketType, type PublishPacket } from '../../lib/protocol/packets.js';
import { describeInMemory, leave, payloadsOf, publishKept, readAll, resume } from '../support/scenario.js';
import type { TestBroker } from '../support/test-broker.js';
import type { WireClient } from '../support/wire-client.js';

const { PUBACK } = PacketType;

describeInMemory('the bounds of a queue', (start) => {
  async function absent(limits: Partial<Limits>): Promise<[broker: TestBroker, publisher: WireClient]> {
    const broker = await start({ limits });
    await (await resume(broker, 'sub')).subscribe('a', { qos: 2 });
    await leave(await resume(broker, 'sub'));
    return [broker, await broker.client()];
  }

  const deliveries = ({ broker }: TestBroker) => broker.sessions.get('sub')!.deliveries;

  it('[A35] dropNewest: what comes to a full queue is dropped and counted, acknowledged to the publisher', async () => {
    const [broker, publisher] = await absent({ maximumQueuedMessages: 5 });

    for (let number = 1; number <= 8; number++) await publishKept(publisher, 'a', { payload: `${number}` });

    expect(broker.broker.counters.messagesDropped).toBe(3);
    expect(deliveries(broker).queued).toBe(5);
    expect(payloadsOf(await readAll(await resume(broker, 'sub')))).toEqual(['1', '2', '3', '4', '5']);
  });

  it('[A35] dropOldest: what waits longest gives way and is counted', async () => {
    const [broker, publisher] = await absent({ maximumQueuedMessages: 5, onQueueFull: 'dropOldest' });

    for (let number = 1; number <= 8; number++) await publishKept(publisher, 'a', { payload: `${number}` });

    expect(broker.broker.counters.messagesDropped).toBe(3);
    expect(deliveries(broker).queued).toBe(5);
    expect(payloadsOf(await readAll(await resume(broker, 'sub')))).toEqual(['4', '5', '6', '7', '8']);
  });

  it('[A35] refuse: what one queue has no room for reaches nobody, and its publisher is told 0x97', async () => {
    const [broker, publisher] = await absent({ maximumQueuedMessages: 2, onQueueFull: 'refuse' });
    const other = await broker.client();
    await other.subscribe('#', { qos: 1 });
    const told: number[] = [];
    for (const qos of [1, 2, 1, 2] as const) {
      publisher.publish('a', { qos, payload: `${told.length}`, retain: true });
      told.push(((await publisher.next()) as { reasonCode: number }).reasonCode);
    }
    publisher.publish('a', { payload: 'QoS 0 needs no room' });
    await publishKept(publisher, 'b', { payload: 'nor does another topic' });

    expect(told).toEqual([0, 0, 0x97, 0x97]);
    expect(payloadsOf(await readAll(other))).toEqual(['0', '1', 'QoS 0 needs no room', 'nor does another topic']);
    expect(broker.broker.counters).toMatchObject({ messagesDropped: 1, messagesRefused: 2 });
    expect(payloadsOf(await readAll(await resume(broker, 'sub')))).toEqual(['0', '1']);
  });

  it('[A35] refuse: what has expired gives way first', async () => {
    const [broker, publisher] = await absent({ maximumQueuedMessages: 1, onQueueFull: 'refuse' });
    await publishKept(publisher, 'a', { payload: 'short', properties: { messageExpiryInterval: 1 } });
    broker.clock.advance(5);
    await publishKept(publisher, 'a', { payload: 'long' });
    expect(payloadsOf(await readAll(await resume(broker, 'sub')))).toEqual(['long']);
  });

  it.each([1, 2] as const)(
    '[A35] refuse: a publisher of 3.1.1 is cut off unacknowledged at QoS %d, and comes again with it',
    async (qos) => {
      const [broker, filler] = await absent({ maximumQueuedMessages: 1, onQueueFull: 'refuse' });
      await publishKept(filler, 'a', { payload: 'first' });
      const session = { clientId: 'pub', cleanStart: false };
      const publisher = await broker.client(4, session);
      publisher.publish('a', { qos, packetId: 7, payload: 'second' });
      publisher.publish('b', { qos, packetId: 8, payload: 'behind it' });
      await publisher.expectClosed();

      const subscriber = await resume(broker, 'sub');
      await subscriber.expectPublish('a', 'first');
      const again = await broker.client(4, session);
      again.publish('a', { qos, packetId: 7, payload: 'second', dup: true });
      await again.expect({ type: qos === 1 ? 4 : 5, packetId: 7 });
      await subscriber.expectPublish('a', 'second');
    },
  );

  it('[A35] dropOldest never drops what is in flight', async () => {
    const broker = await start({ limits: { maximumQueuedMessages: 2, onQueueFull: 'dropOldest' } });
    const publisher = await broker.client();
    const first = await resume(broker, 'sub', { receiveMaximum: 2 });
    await first.subscribe('a', { qos: 2 });
    for (let number = 1; number <= 8; number++) await publishKept(publisher, 'a', { payload: `${number}` });
    expect(payloadsOf(await readAll(first))).toEqual(['1', '2']);
    await leave(first);

    expect(payloadsOf(await readAll(await resume(broker, 'sub')))).toEqual(['1', '2', '7', '8']);
    expect(broker.broker.counters.messagesDropped).toBe(4);
  });

  it.each(['dropNewest', 'dropOldest'] as const)('[A35] %s: the bytes stay within their bound', async (onQueueFull) => {
    const maximumQueuedBytes = 20_000;
    const [broker, publisher] = await absent({ maximumQueuedBytes, onQueueFull });
    const sizes = [...Array.from({ length: 60 }, () => 10), 9_000, 9_000, 9_000, 9_000, 10, 15_000, 15_000, 10];

    let dropped = 0;
    for (const size of sizes) {
      await publishKept(publisher, 'a', { payload: 'x'.repeat(size) });
      expect(deliveries(broker).queuedBytes).toBeLessThanOrEqual(maximumQueuedBytes);
      expect(broker.broker.counters.messagesDropped).toBeGreaterThanOrEqual(dropped);
      dropped = broker.broker.counters.messagesDropped;
    }

    const received = await readAll(await resume(broker, 'sub'));
    expect(received).toHaveLength(sizes.length - dropped);
    expect(dropped).toBeGreaterThan(0);
    expect(deliveries(broker).queuedBytes).toBe(0);
  });

  it('[A35] counts many empty messages as well: they take room too', async () => {
    const [broker, publisher] = await absent({ maximumQueuedBytes: 10_000 });

    for (let number = 0; number < 200; number++) await publishKept(publisher, 'a', { payload: '' });

    expect(deliveries(broker).queued).toBeLessThan(100);
    expect(broker.broker.counters.messagesDropped).toBe(200 - deliveries(broker).queued);
  });

  it('[A35] a queue that was full takes messages again when it has emptied', async () => {
    const [broker, publisher] = await absent({ maximumQueuedMessages: 3, maximumQueuedBytes: 5_000 });
    for (let round = 0; round < 5; round++) {
      for (let number = 0; number < 6; number++) await publishKept(publisher, 'a', { payload: `${number}` });
      const subscriber = await resume(broker, 'sub');
      const packets = (await readAll(subscriber)) as { packetId: number }[];
      expect(packets).toHaveLength(3);
      for (const { packetId } of packets) subscriber.acknowledge(4, packetId);
      await leave(subscriber);
    }
    expect(deliveries(broker).all()).toEqual([]);
    expect(broker.broker.counters.messagesDropped).toBe(15);
  });

  it('[A35] one full queue takes nothing from the other subscribers', async () => {
    const [broker, publisher] = await absent({ maximumQueuedMessages: 1 });
    const online = await broker.client();
    await online.subscribe('a', { qos: 1 });

    for (let number = 0; number < 50; number++) await publishKept(publisher, 'a', { payload: `${number}` });

    expect(await readAll(online)).toHaveLength(50);
    expect(broker.broker.counters.messagesDropped).toBe(49);
  });

  it('[A35] hold back what is in flight by its bytes, to a client that reads and does not acknowledge', async () => {
    const broker = await start({ limits: { maximumInFlightBytes: 100_000 } });
    const subscriber = await broker.client();
    await subscriber.subscribe('a', { qos: 1 });
    const publisher = await broker.client();
    const payload = (number: number) => String(number).padStart(20_000);
    for (let number = 0; number < 20; number++) await publishKept(publisher, 'a', { payload: payload(number) });
    // One message goes, however large.
    await publishKept(publisher, 'a', { payload: 'x'.repeat(200_000) });

    const first = (await readAll(subscriber)) as PublishPacket[];
    expect(first).toHaveLength(5);
    const received: string[] = [];
    for (let waiting = first; waiting.length > 0; waiting = (await readAll(subscriber)) as PublishPacket[]) {
      for (const { payload: bytes, packetId } of waiting) {
        received.push(bytes.toString());
        subscriber.acknowledge(PUBACK, packetId);
      }
    }
    expect(received).toEqual([...Array.from({ length: 20 }, (_, number) => payload(number)), 'x'.repeat(200_000)]);
  });

  describe.each(['dropNewest', 'dropOldest', 'refuse'] as const)('of all sessions together, %s', (onQueueFull) => {
    const maximumTotalQueuedBytes = 50_000;
    const names = ['one', 'two', 'three'];

    it('[A35] hold for what waits in all queues, and not for clients that are connected', async () => {
      const broker = await start({ limits: { maximumTotalQueuedBytes, onQueueFull } });
      for (const clientId of names) {
        await (await resume(broker, clientId)).subscribe('a/#', { qos: 1 });
        await leave(await resume(broker, clientId));
      }
      const [publisher, online] = [await broker.client(), await broker.client()];
      await online.subscribe('#', { qos: 1 });
      const { queueTotal, counters } = broker.broker;

      let refused = 0;
      for (let number = 0; number < 30; number++) {
        publisher.publish('a/b', { qos: 1, payload: 'x'.repeat(1000) });
        const puback = await publisher.next(PUBACK);
        if ('reasonCode' in puback && puback.reasonCode === 0x97) refused++;
        expect(queueTotal.bytes).toBeLessThanOrEqual(maximumTotalQueuedBytes);
      }

      expect(queueTotal.bytes).toBeGreaterThan(maximumTotalQueuedBytes / 2);
      expect(refused > 0).toBe(onQueueFull === 'refuse');
      expect(counters.messagesDropped > 0).toBe(onQueueFull !== 'refuse');
      expect(await readAll(online)).toHaveLength(30 - refused);
    });

    it('[A35] cost nobody what waits for it where that would make no room', async () => {
      const broker = await start({ limits: { maximumTotalQueuedBytes, onQueueFull } });
      for (const clientId of ['large', 'small']) {
        await (await resume(broker, clientId)).subscribe(clientId, { qos: 1 });
        await leave(await resume(broker, clientId));
      }
      const publisher = await broker.client();
      for (const payload of '123') await publishKept(publisher, 'small', { payload });
      const before = broker.broker.queueTotal.bytes;
      await publishKept(publisher, 'large', { payload: 'x'.repeat(maximumTotalQueuedBytes - before - 600) });

      publisher.publish('small', { qos: 1, payload: 'x'.repeat(5000) });
      await publisher.next(PUBACK);

      const small = await readAll(await resume(broker, 'small'));
      expect(payloadsOf(small)).toEqual(['1', '2', '3']);
    });

    it('give their room back: to who reads its queue, and with sessions that end', async () => {
      const broker = await start({ limits: { maximumTotalQueuedBytes, onQueueFull } });
      for (const clientId of names) {
        await (await resume(broker, clientId)).subscribe('a', { qos: 1 });
        await leave(await resume(broker, clientId));
      }
      const publisher = await broker.client();
      for (let number = 0; number < 5; number++) await publishKept(publisher, 'a', { payload: 'x'.repeat(1000) });
      const full = broker.broker.queueTotal.bytes;

      await readAll(await resume(broker, 'one'));
      expect(broker.broker.queueTotal.bytes).toBe((full * 2) / 3);
      const ended = broker.broker.sessions.get('two')!;
      await broker.client(5, { clientId: 'two', cleanStart: true });
      // Whoever still has the session, such as a match that is remembered, holds none of its messages.
      expect(ended.deliveries.all()).toEqual([]);
      expect(broker.broker.queueTotal.bytes).toBe(full / 3);
      broker.clock.advance(7_200_000);

      expect(broker.broker.queueTotal.bytes).toBe(0);
    });
  });
});
