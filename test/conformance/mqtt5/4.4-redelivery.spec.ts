import { expect, it } from '@jest/globals';
import { PacketType } from '../../../lib/protocol/packets.js';
import { leave, packetIdsOf, payloadsOf, publishKept, readAll, readPublishes, resume } from '../../support/scenario.js';
import { describeAlsoInRedis } from '../../support/test-broker.js';

const { PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;

describeAlsoInRedis('4.4 redelivery', (start) => {
  it('[MQTT-4.4.0-1] sends unacknowledged PUBLISH and PUBREL again with their identifiers on a resumed session', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const first = await resume(broker, 'sub');
    await first.subscribe('a', { qos: 2 });
    for (const qos of [1, 2, 1, 2, 2] as const) publisher.publish('a', { qos, payload: `${qos}` });
    const sent = packetIdsOf(await readPublishes(first, 5));
    first.acknowledge(PUBREC, sent[1]);
    await first.expect({ type: PUBREL, packetId: sent[1] });
    first.acknowledge(PUBACK, sent[2]);
    first.acknowledge(PUBREC, sent[4]).acknowledge(PUBCOMP, sent[4]);
    await first.expect({ type: PUBREL, packetId: sent[4] });
    await first.settled();
    first.drop();

    const second = await resume(broker, 'sub');

    const packets = await readAll(second);
    const publishes = packets.filter(({ type }) => type === PacketType.PUBLISH);
    expect(publishes).toMatchObject([
      { packetId: sent[0], qos: 1, dup: true },
      { packetId: sent[3], qos: 2, dup: true },
    ]);
    expect(payloadsOf(publishes)).toEqual(['1', '2']);
    expect(packets.filter(({ type }) => type === PUBREL)).toMatchObject([{ packetId: sent[1] }]);
    expect(packets).toHaveLength(3);
  });

  it('[MQTT-4.4.0-1] sends nothing again on the same connection, however long it waits', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const subscriber = await resume(broker, 'sub');
    await subscriber.subscribe('a', { qos: 2 });
    publisher.publish('a', { qos: 1, payload: 'one' });
    publisher.publish('a', { qos: 2, payload: 'two' });
    publisher.publish('a', { qos: 2, payload: 'three' });
    const [, two] = await readPublishes(subscriber, 3);
    subscriber.acknowledge(PUBREC, two.packetId);
    await subscriber.expect({ type: PUBREL });

    broker.clock.advance(3600);
    await subscriber.expectNothing();
    publisher.publish('a', { qos: 1, payload: 'four' });
    await publisher.settled();
    await subscriber.expectPublish('a', 'four', { dup: false });
    subscriber.acknowledge(PUBACK, 999);

    await subscriber.expectNothing();
  });

  it('[MQTT-4.4.0-1] sends again as often as the client comes back', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const first = await resume(broker, 'sub');
    await first.subscribe('a', { qos: 1 });
    publisher.publish('a', { qos: 1, payload: 'x' });
    const { packetId } = await first.expectPublish('a', 'x', { dup: false });
    first.drop();

    for (let count = 0; count < 4; count++) {
      const again = await resume(broker, 'sub');
      await again.expectPublish('a', 'x', { dup: true, packetId });
      again.drop();
    }
  });

  it('[MQTT-4.4.0-1] also to a client that takes over its own connection', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const first = await resume(broker, 'sub');
    await first.subscribe('a', { qos: 1 });
    publisher.publish('a', { qos: 1, payload: 'x' });
    const { packetId } = await first.expectPublish('a', 'x');

    const second = await resume(broker, 'sub');

    await first.expectDisconnect(0x8e);
    await second.expectPublish('a', 'x', { dup: true, packetId });
  });

  it('[MQTT-4.4.0-1] sends nothing again after Clean Start 1', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const first = await resume(broker, 'sub');
    await first.subscribe('a', { qos: 2 });
    publisher.publish('a', { qos: 1 });
    publisher.publish('a', { qos: 2 });
    const [, two] = await readPublishes(first, 2);
    first.acknowledge(PUBREC, two.packetId);
    await first.expect({ type: PUBREL });
    first.drop();

    const second = await broker.client(5, { clientId: 'sub', cleanStart: true });

    await second.expectNothing();
  });

  it('[MQTT-4.4.0-1] keeps the identifiers of what is in flight out of use for new messages', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const first = await resume(broker, 'sub');
    await first.subscribe('a', { qos: 1 });
    for (const payload of ['1', '2', '3']) await publishKept(publisher, 'a', { payload });
    const sent = await readPublishes(first, 3);
    first.acknowledge(PUBACK, sent[1].packetId);
    await first.settled();
    await leave(first);
    for (const payload of ['4', '5', '6']) await publishKept(publisher, 'a', { payload });

    const second = await resume(broker, 'sub');
    const packets = await readPublishes(second, 5);

    expect(payloadsOf(packets)).toEqual(['1', '3', '4', '5', '6']);
    expect(packets.map(({ dup }) => dup)).toEqual([true, true, false, false, false]);
    expect(packetIdsOf(packets).slice(0, 2)).toEqual([sent[0].packetId, sent[2].packetId]);
    expect(new Set(packetIdsOf(packets)).size).toBe(5);
  });

  it('[MQTT-4.4.0-1] lets a client go on with its own QoS 2 messages on the next connection', async () => {
    const broker = await start();
    const subscriber = await broker.client();
    await subscriber.subscribe('a', { qos: 2 });
    const first = await resume(broker, 'pub');
    for (const packetId of [1, 2]) {
      first.publish('a', { qos: 2, packetId, payload: `${packetId}` });
      await first.expect({ type: PUBREC, packetId });
    }
    first.drop();

    const second = await resume(broker, 'pub');
    second.publish('a', { qos: 2, packetId: 1, dup: true, payload: '1' });
    await second.expect({ type: PUBREC, packetId: 1, reasonCode: 0 });
    for (const packetId of [1, 2]) {
      second.acknowledge(PUBREL, packetId);
      await second.expect({ type: PUBCOMP, packetId, reasonCode: 0 });
    }

    expect(payloadsOf(await readAll(subscriber))).toEqual(['1', '2']);
  });

  it.each([
    [1, PUBACK],
    [2, PUBREC],
  ] as const)('[MQTT-4.4.0-2] takes an acknowledgement of 0x80 and more as one, QoS %i', async (qos, type) => {
    const broker = await start();
    const publisher = await broker.client();
    const first = await resume(broker, 'sub');
    await first.subscribe('a', { qos });
    for (const code of [0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]) {
      publisher.publish('a', { qos, payload: 'x' });
      const { packetId } = await first.expectPublish('a', 'x');
      first.acknowledge(type, packetId, code);
    }
    await first.expectNothing();
    first.drop();

    const second = await resume(broker, 'sub');

    await second.expectNothing();
  });
});
