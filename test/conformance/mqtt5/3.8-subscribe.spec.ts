import { expect, it } from '@jest/globals';
import { PacketType } from '../../../lib/protocol/packets.js';
import { framed, hex } from '../../support/bytes.js';
import { everyQoS, payloads, publishWhole, receiveAll } from '../../support/exchanges.js';
import { GuardedAuth } from '../../support/guarded-auth.js';
import { describeAlsoInRedis } from '../../support/test-broker.js';

describeAlsoInRedis('3.8 SUBSCRIBE', (start) => {
  it.each(['80', '81', '83', '86', '8a', '8f'])('[MQTT-3.8.1-1] is malformed with the first byte %s', async (first) => {
    const client = await (await start()).client();

    client.send(hex(`${first} 07 0001 00 0001'a' 00`));

    await client.expectDisconnect(0x81);
  });

  it.each([
    ['ill-formed UTF-8', '0002[c328]'],
    ['a surrogate', '0003[eda080]'],
    ['U+0000', '0003[610062]'],
  ])('[MQTT-3.8.3-1] is malformed with %s in a topic filter', async (_what, filter) => {
    const client = await (await start()).client();

    client.send(hex(framed(0x82, `0001 00 ${filter} 00`)));

    await client.expectDisconnect(0x81);
  });

  it('[MQTT-3.8.3-2] is a protocol error without a topic filter', async () => {
    const client = await (await start()).client();

    client.send(hex(framed(0x82, '0001 00')));

    await client.expectDisconnect(0x82);
  });

  it('[MQTT-3.8.3-2] is malformed when the last topic filter has no options', async () => {
    const client = await (await start()).client();

    client.send(hex(framed(0x82, `0001 00 0001'a' 00 0001'b'`)));

    await client.expectDisconnect(0x81);
  });

  it.each([
    ['the first', 0x40],
    ['the second', 0x80],
    ['both', 0xc1],
  ])('[MQTT-3.8.3-5] is malformed with %s of the reserved option bits', async (_which, options) => {
    const client = await (await start()).client();

    client.send(hex(framed(0x82, `0001 00 0001'a' ${options.toString(16)}`)));

    await client.expectDisconnect(0x81);
  });

  it.each([
    ['QoS 3', `00 0001'a' 03`],
    ['Retain Handling 3', `00 0001'a' 30`],
    ['Subscription Identifier 0', `02{0b00} 0001'a' 00`],
    ['two Subscription Identifiers', `04{0b010b02} 0001'a' 00`],
  ])('is a protocol error with %s', async (_what, body) => {
    const client = await (await start()).client();

    client.send(hex(framed(0x82, `0001 ${body}`)));

    await client.expectDisconnect(0x82);
  });

  it('[MQTT-3.8.3-3] does not forward to a No Local subscription what its own client publishes', async () => {
    const broker = await start();
    const client = await broker.client();
    const other = await broker.client();
    await client.subscribe({ filter: 'news', qos: 2, noLocal: true });

    for (const qos of everyQoS) await publishWhole(client, 'news', { payload: 'own', qos });
    await publishWhole(other, 'news', { payload: 'foreign' });

    await client.expectPublish('news', 'foreign');
    await client.expectNothing();
  });

  it('[MQTT-3.8.3-3] knows its own client by the client identifier, on whatever connection', async () => {
    const broker = await start();
    const session = { clientId: 'me', cleanStart: false, properties: { sessionExpiryInterval: 100 } };
    const before = await broker.client(5, session);
    await before.subscribe({ filter: 'news', noLocal: true });

    const after = await broker.client(5, session);
    await publishWhole(after, 'news', { payload: 'own' });

    await after.expectNothing();
  });

  it('[MQTT-3.8.3-3] leaves subscriptions without No Local alone', async () => {
    const client = await (await start()).client();
    await client.subscribe({ filter: 'news/#', noLocal: true });
    await client.subscribe('news/+');

    client.publish('news/today', { payload: 'own' });

    await client.expectPublish('news/today', 'own');
    await client.expectNothing();
  });

  it('[MQTT-3.8.3-4] is a protocol error with No Local on a shared subscription', async () => {
    const client = await (await start()).client();

    client.send(hex(framed(0x82, `0001 00 000a'$share/g/a' 04`)));

    await client.expectDisconnect(0x82);
  });

  it('[MQTT-3.8.4-1] [MQTT-3.8.4-2] is answered by SUBACK with the same packet identifier', async () => {
    const client = await (await start()).client();

    client.send(hex(framed(0x82, `1234 00 0001'a' 00`)));
    client.send(hex(framed(0x82, `ffff 00 0001'b' 01`)));

    await client.expectHex('90 04 1234 00 00');
    await client.expectHex('90 04 ffff 00 01');
  });

  it('[MQTT-3.8.4-3] replaces the subscription when the filter is the same', async () => {
    const broker = await start();
    const client = await broker.client();
    const publisher = await broker.client();
    await client.subscribe('a/+', { properties: { subscriptionIdentifiers: [1] } });

    await client.subscribe({ filter: 'a/+', qos: 2 }, { properties: { subscriptionIdentifiers: [2] } });
    await publishWhole(publisher, 'a/b', { payload: 'once', qos: 1 });

    await client.expectPublish('a/b', 'once', { qos: 1, properties: { subscriptionIdentifiers: [2] } });
    await client.expectNothing();
  });

  it('[MQTT-3.8.4-3] replaces the options: No Local, Retain As Published, no identifier', async () => {
    const broker = await start();
    const client = await broker.client();
    const publisher = await broker.client();
    await client.subscribe('a', { properties: { subscriptionIdentifiers: [1] } });

    await client.subscribe({ filter: 'a', noLocal: true, retainAsPublished: true });
    await publishWhole(client, 'a', { payload: 'own' });
    await publishWhole(publisher, 'a', { payload: 'foreign', retain: true });

    await client.expectHex(`31 0b 0001 61 00 ${Buffer.from('foreign').toString('hex')}`);
    await client.expectNothing();
  });

  it('[MQTT-3.8.4-4] sends retained messages again with Retain Handling 0, and only then', async () => {
    const broker = await start();
    const client = await broker.client();
    await publishWhole(client, 'a/b', { payload: 'kept', retain: true });

    await client.subscribe({ filter: 'a/+', retainHandling: 0 });
    await client.expectPublish('a/b', 'kept', { retain: true });
    await client.subscribe({ filter: 'a/+', retainHandling: 1 });
    await client.expectNothing();
    await client.subscribe({ filter: 'a/+', retainHandling: 2 });
    await client.expectNothing();
    await client.subscribe({ filter: 'a/+', retainHandling: 0 });

    await client.expectPublish('a/b', 'kept', { retain: true });
    await client.expectNothing();
  });

  it('[MQTT-3.8.4-4] loses nothing while a subscription is replaced', async () => {
    const broker = await start();
    const client = await broker.client();
    const publisher = await broker.client();
    await client.subscribe({ filter: 'a/#', qos: 1 });
    const sent = Array.from({ length: 200 }, (_, index) => `${index}`);
    const subscribeAgain = hex(framed(0x82, `0009 00 0003'a/#' 01`));

    for (const payload of sent) {
      publisher.publish('a/b', { payload, qos: 1 });
      if (Number(payload) % 20 === 0) client.send(subscribeAgain);
    }
    await publisher.settled();

    expect(payloads(await receiveAll(client))).toEqual(sent);
  });

  it('[MQTT-3.8.4-5] takes several filters as so many SUBSCRIBEs and answers them with one SUBACK', async () => {
    const broker = await start();
    const client = await broker.client();
    await publishWhole(client, 'a', { payload: 'kept', retain: true, qos: 1 });

    client.send(hex(framed(0x82, `0007 00 0001'a' 00 0001'b' 02 0001'a' 01`)));

    await client.expectHex('90 06 0007 00 00 02 01');
    await client.expectPublish('a', 'kept', { qos: 0, retain: true });
    await client.expectPublish('a', 'kept', { qos: 1, retain: true });
    await client.expectNothing();
    const publisher = await broker.client();
    await publishWhole(publisher, 'a', { payload: 'live', qos: 2 });
    await client.expectPublish('a', 'live', { qos: 1 });
    await client.expectNothing();
  });

  it('[MQTT-3.8.4-6] [MQTT-3.8.4-7] gets for each filter the granted QoS or why it failed', async () => {
    const client = await (await start({ auth: new GuardedAuth() })).client();

    client.send(hex(framed(0x82, `0001 00 0001'a' 00 0006'secret' 01 0001'b' 01 0008'secret/#' 02 0001'c' 02`)));

    await client.expectHex('90 08 0001 00 00 87 01 87 02');
  });

  it('[MQTT-3.8.4-7] subscribes to nothing where it failed', async () => {
    const broker = await start({ auth: new GuardedAuth() });
    const client = await broker.client();
    await client.subscribe(['secret/a', 'b']);

    await broker.broker.barrier.kept();
    expect([...broker.broker.sessions.values()].map(({ subscriptions }) => [...subscriptions.keys()])).toEqual([['b']]);
  });

  it('[MQTT-3.8.4-8] leads to the lower of published and granted QoS', async () => {
    const broker = await start();
    const client = await broker.client();
    const publisher = await broker.client();
    for (const granted of everyQoS) await client.subscribe({ filter: `granted/${granted}`, qos: granted });

    for (const granted of everyQoS) {
      for (const published of everyQoS) {
        await publishWhole(publisher, `granted/${granted}`, { payload: `${published}`, qos: published });
        const qos = Math.min(granted, published);
        const { packetId } = await client.expectPublish(`granted/${granted}`, `${published}`, { qos });
        if (qos === 1) client.acknowledge(PacketType.PUBACK, packetId);
      }
    }
    await client.expectNothing();
  });

  it('[MQTT-3.8.4-8] leads to the lower QoS for retained messages as well', async () => {
    const broker = await start();
    const client = await broker.client();
    for (const qos of everyQoS) await publishWhole(client, `kept/${qos}`, { payload: 'x', qos, retain: true });

    for (const granted of everyQoS) {
      for (const published of everyQoS) {
        await client.subscribe({ filter: `kept/${published}`, qos: granted });
        await client.expectPublish(`kept/${published}`, 'x', { qos: Math.min(granted, published), retain: true });
      }
    }
  });
});
