import { expect, it } from '@jest/globals';
import { PacketType, type PublishPacket } from '../../../lib/protocol/packets.js';
import { framed, hex } from '../../support/bytes.js';
import { everyQoS, payloads, publishWhole, receiveAll, receiveWhole } from '../../support/exchanges.js';
import { leave, resume } from '../../support/scenario.js';
import { describeAlsoInRedis } from '../../support/test-broker.js';

const { PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;

describeAlsoInRedis('4.8 Shared subscriptions', (start) => {
  it.each(['$share/', '$share//', '$share//a', '$share/g', '$share/g/'])(
    '[MQTT-4.8.2-1] refuses to subscribe to %s',
    async (filter) => {
      const client = await (await start()).client();

      client.send(hex(framed(0x82, `0001 00 00${filter.length.toString(16).padStart(2, '0')}'${filter}' 00`)));

      await client.expectDisconnect(0x8f);
    },
  );

  it.each(['$share/+/a', '$share/#/a', '$share/g+/a', '$share/g#/a', '$share/#', '$share/g/a#', '$share/g/#/a'])(
    '[MQTT-4.8.2-2] refuses to subscribe to %s',
    async (filter) => {
      const client = await (await start()).client();

      client.send(hex(framed(0x82, `0001 00 00${filter.length.toString(16).padStart(2, '0')}'${filter}' 00`)));

      await client.expectDisconnect(0x8f);
    },
  );

  it('[MQTT-4.8.2-1] [MQTT-4.8.2-2] takes what follows the ShareName as the filter', async () => {
    const client = await (await start()).client();

    const filters = ['$share/g//', '$share/g/+/b', '$share/$share/a', '$share/g/$own/#', '$share/ é /c'];
    expect((await client.subscribe(filters)).reasonCodes).toEqual([0, 0, 0, 0, 0]);

    for (const topic of ['/', 'x/b', 'a', '$own/a', 'c']) client.publish(topic, { payload: topic });
    await client.settled();
    expect(payloads(await receiveAll(client))).toEqual(['/', 'x/b', 'a', '$own/a', 'c']);
  });

  it('sends each message to one member of each group, and to everybody who subscribed without', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const filters = ['$share/g/a', '$share/g/a', '$share/g/a', '$share/h/a', '$share/h/a', 'a'];
    const clients = await Promise.all(filters.map(() => broker.client()));
    for (const [index, client] of clients.entries()) await client.subscribe({ filter: filters[index], qos: 1 });
    const sent = Array.from({ length: 12 }, (_, index) => `${index}`);

    for (const payload of sent) await publishWhole(publisher, 'a', { payload, qos: 1 });

    const [g1, g2, g3, h1, h2, all] = await Promise.all(
      clients.map(async (client) => payloads(await receiveAll(client))),
    );
    expect([...g1, ...g2, ...g3].sort()).toEqual([...sent].sort());
    expect([...h1, ...h2].sort()).toEqual([...sent].sort());
    expect(all).toEqual(sent);
  });

  it('tells groups apart by their filter as well, and one client may be in several', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const client = await broker.client();
    await client.subscribe('$share/g/a', { properties: { subscriptionIdentifiers: [1] } });
    await client.subscribe('$share/g/+', { properties: { subscriptionIdentifiers: [2] } });
    await client.subscribe('a', { properties: { subscriptionIdentifiers: [3] } });

    await publishWhole(publisher, 'a', { payload: 'x' });

    const received = await receiveAll(client);
    const identifiers = received.flatMap(({ properties }) => properties?.subscriptionIdentifiers ?? []);
    expect(identifiers.length).toBe(3);
    expect(new Set(identifiers)).toEqual(new Set([1, 2, 3]));
  });

  it('sends a new member no retained messages', async () => {
    const broker = await start();
    const client = await broker.client();
    await publishWhole(client, 'a', { payload: 'kept', retain: true });

    await client.subscribe('$share/g/a');
    await client.expectNothing();
    await publishWhole(await broker.client(), 'a', { payload: 'live', retain: true });

    await client.expectPublish('a', 'live', { retain: false });
  });

  it('goes on with the others when a member unsubscribes or leaves', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const [one, two, three] = [await broker.client(), await broker.client(), await broker.client()];
    for (const client of [one, two, three]) await client.subscribe('$share/g/a');

    one.send({ type: PacketType.UNSUBSCRIBE, packetId: 9, filters: ['$share/g/a'] });
    await one.expectHex('b0 04 0009 00 00');
    await leave(two);
    for (const payload of ['1', '2', '3']) await publishWhole(publisher, 'a', { payload });

    await one.expectNothing();
    expect(payloads(await receiveAll(three))).toEqual(['1', '2', '3']);
  });

  it.each(everyQoS)('[MQTT-4.8.2-3] respects the QoS %d granted to each member', async (granted) => {
    const broker = await start();
    const publisher = await broker.client();
    const client = await broker.client();
    await client.subscribe({ filter: '$share/g/a', qos: granted });

    for (const qos of everyQoS) await publishWhole(publisher, 'a', { payload: `${qos}`, qos });

    for (const qos of everyQoS) await receiveWhole(client, 'a', `${qos}`, { qos: Math.min(qos, granted) });
    await client.expectNothing();
  });

  it('[MQTT-4.8.2-3] respects different QoS within one group', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const members = [];
    for (const qos of everyQoS) {
      const client = await broker.client();
      await client.subscribe({ filter: '$share/g/a', qos });
      members.push(client);
    }

    for (let count = 0; count < 6; count++) await publishWhole(publisher, 'a', { payload: 'x', qos: 2 });

    const qosOf = await Promise.all(members.map(async (client) => (await receiveAll(client)).map(({ qos }) => qos)));
    expect(qosOf).toEqual([
      [0, 0],
      [1, 1],
      [2, 2],
    ]);
  });

  it('[MQTT-4.8.2-4] completes a QoS 2 delivery to the same client when it is back', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const one = await resume(broker, 'one');
    await one.subscribe({ filter: '$share/g/a', qos: 2 });
    await publishWhole(publisher, 'a', { payload: 'sent', qos: 2 });
    await publishWhole(publisher, 'a', { payload: 'released', qos: 2 });
    const sent = await one.expectPublish('a', 'sent');
    const released = await one.expectPublish('a', 'released');
    one.acknowledge(PUBREC, released.packetId);
    await one.expect({ type: PUBREL, packetId: released.packetId });
    const two = await broker.client();
    await two.subscribe({ filter: '$share/g/a', qos: 2 });

    await leave(one);
    await two.expectNothing();
    const again = await resume(broker, 'one');

    // 4.6 orders PUBLISHes and PUBRELs each among themselves.
    const resent = [await again.next(), await again.next()];
    expect(resent).toContainEqual(expect.objectContaining({ type: PUBREL, packetId: released.packetId }));
    const { dup, packetId, payload } = resent.find(({ type }) => type === PacketType.PUBLISH) as PublishPacket;
    expect([dup, packetId, payload.toString()]).toEqual([true, sent.packetId, 'sent']);
    again.acknowledge(PUBREC, sent.packetId);
    await again.expect({ type: PUBREL, packetId: sent.packetId });
    again.acknowledge(PUBCOMP, sent.packetId).acknowledge(PUBCOMP, released.packetId);
    await again.expectNothing();
    await two.expectNothing();
  });

  it('[MQTT-4.8.2-5] sends it to nobody else when the session ends before', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const one = await resume(broker, 'one', { sessionExpiryInterval: 60 });
    await one.subscribe({ filter: '$share/g/a', qos: 2 });
    await publishWhole(publisher, 'a', { payload: 'sent', qos: 2 });
    await publishWhole(publisher, 'a', { payload: 'released', qos: 2 });
    await one.expectPublish('a', 'sent');
    const { packetId } = await one.expectPublish('a', 'released');
    one.acknowledge(PUBREC, packetId);
    await one.expect({ type: PUBREL });
    const two = await broker.client();
    await two.subscribe({ filter: '$share/g/a', qos: 2 });

    await leave(one);
    broker.clock.advance(61);

    await two.expectNothing();
    const again = await resume(broker, 'one');
    await again.expectNothing();
  });

  it.each([
    ['PUBACK', PUBACK, 1],
    ['PUBREC', PUBREC, 2],
  ] as const)('[MQTT-4.8.2-6] discards a message that a %s refuses', async (_what, type, qos) => {
    const broker = await start();
    const publisher = await broker.client();
    const one = await resume(broker, 'one', { sessionExpiryInterval: 60 });
    await one.subscribe({ filter: '$share/g/a', qos: 2 });
    await publishWhole(publisher, 'a', { payload: 'unwanted', qos });
    const { packetId } = await one.expectPublish('a', 'unwanted', { qos });
    const two = await broker.client();
    await two.subscribe({ filter: '$share/g/a', qos: 2 });

    one.acknowledge(type, packetId, 0x83);

    await one.expectNothing();
    await two.expectNothing();
    await leave(one);
    broker.clock.advance(61);
    await two.expectNothing();
    await (await resume(broker, 'one')).expectNothing();
  });
});
