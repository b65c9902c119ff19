import { expect, it } from '@jest/globals';
import { PacketType, type Packet } from '../../lib/protocol/packets.js';
import { payloadsOf, publishOf, readAll, readPublishes, resume, sendTogether } from '../support/scenario.js';
import { describeOverTransports } from '../support/test-broker.js';

const { PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;

describeOverTransports('acknowledgements that do not fit', (start) => {
  it('[A28] the same QoS 2 identifier 10,000 times without PUBREL: one delivery, no growth', async () => {
    const broker = await start({ limits: { receiveMaximum: 5 } });
    const subscriber = await broker.client();
    const publisher = await broker.client(5, { clientId: 'pub' });
    await subscriber.subscribe('a', { qos: 2 });
    const packets = Array.from({ length: 500 }, () => publishOf('a', { qos: 2, packetId: 7, payload: 'x', dup: true }));

    for (let batch = 0; batch < 20; batch++) {
      sendTogether(publisher, packets);
      for (let count = 0; count < 500; count++) await publisher.next(PUBREC);
    }

    await publisher.expectNothing();
    expect(payloadsOf(await readAll(subscriber))).toEqual(['x']);
    expect([...broker.broker.sessions.get('pub')!.received]).toEqual([7]);
    publisher.acknowledge(PUBREL, 7);
    await publisher.expect({ type: PUBCOMP, packetId: 7, reasonCode: 0 });
    expect(broker.broker.sessions.get('pub')!.received.size).toBe(0);
  });

  it('[A28] over 200 reconnects of the publisher: one delivery', async () => {
    const broker = await start();
    const subscriber = await broker.client();
    await subscriber.subscribe('a', { qos: 2 });

    for (let count = 0; count < 200; count++) {
      const publisher = await resume(broker, 'pub');
      publisher.publish('a', { qos: 2, packetId: 7, payload: 'x', dup: count > 0 });
      await publisher.expect({ type: PUBREC, packetId: 7 });
      publisher.drop();
    }

    expect(payloadsOf(await readAll(subscriber))).toEqual(['x']);
    expect([...broker.broker.sessions.get('pub')!.received]).toEqual([7]);
  });

  it('[A29] acknowledgements for unknown identifiers are answered where there is an answer, and change nothing', async () => {
    const broker = await start();
    const client = await broker.client(5, { clientId: 'c' });

    for (const packetId of [1, 2, 1024, 65_535]) {
      client.acknowledge(PUBACK, packetId).acknowledge(PUBCOMP, packetId).acknowledge(PUBREC, packetId, 0x80);
      await client.expectNothing();
      client.acknowledge(PUBREC, packetId);
      await client.expect({ type: PUBREL, packetId, reasonCode: 0x92 });
      client.acknowledge(PUBREL, packetId);
      await client.expect({ type: PUBCOMP, packetId, reasonCode: 0x92 });
    }

    expect(broker.broker.sessions.get('c')!.deliveries.all()).toEqual([]);
  });

  it('[A29] a PUBACK or PUBCOMP does not end a QoS 2 message, a PUBREC or PUBCOMP no QoS 1 message', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const first = await resume(broker, 'sub');
    await first.subscribe('a', { qos: 2 });
    publisher.publish('a', { qos: 2, payload: 'two' });
    publisher.publish('a', { qos: 1, payload: 'one' });
    const [two, one] = await readPublishes(first, 2);

    first.acknowledge(PUBACK, two.packetId).acknowledge(PUBCOMP, two.packetId).acknowledge(PUBCOMP, one.packetId);
    await first.expectNothing();
    first.acknowledge(PUBREC, one.packetId);
    await first.expect({ type: PUBREL, packetId: one.packetId, reasonCode: 0x92 });
    first.drop();

    const second = await resume(broker, 'sub');
    await second.expectPublish('a', 'two', { dup: true, packetId: two.packetId });
    await second.expectPublish('a', 'one', { dup: true, packetId: one.packetId });
    await second.expectNothing();
  });

  it('[A29] a late PUBREC that refuses does not end a QoS 2 message that was released', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const first = await resume(broker, 'sub');
    await first.subscribe('a', { qos: 2 });
    publisher.publish('a', { qos: 2, payload: 'x' });
    const { packetId } = await first.expectPublish('a', 'x');
    first.acknowledge(PUBREC, packetId);
    await first.expect({ type: PUBREL, packetId });

    first.acknowledge(PUBREC, packetId, 0x80);
    await first.expectNothing();
    first.drop();

    await (await resume(broker, 'sub')).expect({ type: PUBREL, packetId });
  });

  it('[A29] an identifier of the client is its own: the same number is in flight in both directions', async () => {
    const broker = await start();
    const client = await broker.client();
    await client.subscribe('a', { qos: 2 });

    for (let round = 1; round <= 3; round++) {
      client.publish('a', { qos: 2, packetId: round, payload: 'x' });
      const packets = await readAll(client);
      expect(packets.find(({ type }) => type === PUBREC)).toMatchObject({ packetId: round });
      const received = packets.find(({ type }) => type === PacketType.PUBLISH) as { packetId: number };
      expect(received.packetId).toBe(round);
      client.acknowledge(PUBREC, round).acknowledge(PUBREL, round);
      const answers: Packet[] = await readAll(client);
      expect(answers).toHaveLength(2);
      expect(new Set(answers.map(({ type }) => type))).toEqual(new Set([PUBREL, PUBCOMP]));
      client.acknowledge(PUBCOMP, round);
      await client.expectNothing();
    }
  });

  it('[A29] a QoS 1 PUBLISH with the identifier of an open QoS 2 message does not disturb that', async () => {
    const broker = await start();
    const subscriber = await broker.client();
    const publisher = await broker.client();
    await subscriber.subscribe('a', { qos: 2 });
    publisher.publish('a', { qos: 2, packetId: 5, payload: 'two' });
    await publisher.expect({ type: PUBREC, packetId: 5 });

    publisher.publish('a', { qos: 1, packetId: 5, payload: 'one' });
    await publisher.expect({ type: PUBACK, packetId: 5 });
    publisher.publish('a', { qos: 2, packetId: 5, dup: true, payload: 'two' });
    await publisher.expect({ type: PUBREC, packetId: 5 });
    publisher.acknowledge(PUBREL, 5);
    await publisher.expect({ type: PUBCOMP, packetId: 5, reasonCode: 0 });

    const payloads = payloadsOf(await readAll(subscriber));
    expect(payloads.filter((payload) => payload === 'two')).toHaveLength(1);
  });

  it.each([1, 2] as const)(
    '[A30] a client above the Receive Maximum is told 0x93, and only that one, QoS %i',
    async (qos) => {
      const broker = await start({ limits: { receiveMaximum: 10 } });
      const other = await broker.client();
      const client = await broker.client(5, { clientId: 'greedy' });
      for (let packetId = 1; packetId <= 10; packetId++) {
        client.publish('a', { qos: 2, packetId });
        await client.expect({ type: PUBREC, packetId });
      }

      client.publish('a', { qos, packetId: 11 });

      await client.expectDisconnect(0x93);
      await other.expectNothing();
      expect(broker.broker.counters.protocolErrors).toBe(1);
    },
  );

  it('[A30] the Receive Maximum of a client is never exceeded towards it, whatever it acknowledges and when', async () => {
    const broker = await start();
    const receiveMaximum = 7;
    const publisher = await broker.client();
    const client = await broker.client(5, { properties: { receiveMaximum } });
    await client.subscribe('a', { qos: 2 });
    for (let count = 0; count < 200; count++) publisher.publish('a', { qos: count % 3 === 0 ? 1 : 2 });
    await publisher.settled();

    const open = new Map<number, number>();
    let received = 0;
    for (let turn = 0; received < 200 || open.size > 0; turn++) {
      for (const packet of await readAll(client)) {
        if (packet.type !== PacketType.PUBLISH) continue;
        expect(open.has(packet.packetId)).toBe(false);
        open.set(packet.packetId, packet.qos);
        received++;
      }
      expect(open.size).toBeLessThanOrEqual(receiveMaximum);
      const [packetId, state] = [...open][turn % open.size];
      if (state === 1) client.acknowledge(PUBACK, packetId);
      else client.acknowledge(state === 2 ? PUBREC : PUBCOMP, packetId);
      if (state === 2) open.set(packetId, 3);
      else open.delete(packetId);
    }
    expect(received).toBe(200);
  });
});
