import { expect, it } from '@jest/globals';
import { framed, hex } from '../../support/bytes.js';
import { everyQoS, payloads, publishWhole, receiveAll, receiveWhole } from '../../support/exchanges.js';
import { describeOverTransports } from '../../support/test-broker.js';

describeOverTransports('MQTT 3.1.1, 3.8 SUBSCRIBE', (start) => {
  it.each(['80', '81', '83', '86', '8a', '8f'])('[MQTT-3.8.1-1] closes for the first byte %s', async (first) => {
    const client = await (await start()).client(4);

    client.send(hex(`${first} 06 0001 0001'a' 00`));

    await client.expectClosed();
  });

  it.each([
    ['[MQTT-3.8.3-1] closes for a filter that is not UTF-8', '0001 0002[c328] 00'],
    ['[MQTT-3.8.3-3] closes when there is no filter', '0001'],
    ['[MQTT-3.8.3-3] closes when the QoS of a filter is missing', "0001 0001'a' 00 0001'b'"],
    ['[MQTT-3.8.3-4] closes for QoS 3', "0001 0001'a' 03"],
    ['[MQTT-3.8.3-4] closes for reserved bits: 04', "0001 0001'a' 04"],
    ['[MQTT-3.8.3-4] closes for reserved bits: 11', "0001 0001'a' 11"],
    ['[MQTT-3.8.3-4] closes for reserved bits: 80', "0001 0001'a' 00 0001'b' 80"],
  ])('%s', async (_title, body) => {
    const client = await (await start()).client(4);

    client.send(hex(framed(0x82, body)));

    await client.expectClosed();
  });

  it('[MQTT-3.8.3-2] is refused for wildcards where the server supports none', async () => {
    const broker = await start({ capabilities: { wildcardSubscriptionAvailable: false } });
    const client = await broker.client(4);

    client.send(hex(framed(0x82, "0001 0003'a/+' 00 0001'a' 00 0001'#' 01")));

    await client.expectHex('90 05 0001 80 00 80');
    await publishWhole(await broker.client(4), 'a/b', { payload: 'x' });
    await client.expectNothing();
  });

  it('[MQTT-3.8.4-1] [MQTT-3.8.4-2] is answered by SUBACK with the same packet identifier', async () => {
    const client = await (await start()).client(4);

    client.send(hex("82 06 1234 0001'a' 00"));
    client.send(hex("82 06 ffff 0001'b' 01"));

    await client.expectHex('90 03 1234 00');
    await client.expectHex('90 03 ffff 01');
  });

  it('[MQTT-3.8.4-3] replaces the subscription with the same filter and sends retained messages again', async () => {
    const broker = await start();
    const client = await broker.client(4);
    const publisher = await broker.client(4);
    await publishWhole(publisher, 'a', { payload: 'kept', qos: 2, retain: true });
    await client.subscribe('a', { qos: 0 });
    await client.expectPublish('a', 'kept', { qos: 0, retain: true });

    await client.subscribe('a', { qos: 1 });

    await receiveWhole(client, 'a', 'kept', { qos: 1, retain: true });
    await publishWhole(publisher, 'a', { payload: 'live', qos: 2 });
    await receiveWhole(client, 'a', 'live', { qos: 1, retain: false });
    await client.expectNothing();
  });

  it('[MQTT-3.8.4-3] does not interrupt the flow of messages', async () => {
    const broker = await start();
    const client = await broker.client(4);
    const publisher = await broker.client(4);
    await client.subscribe('a/#', { qos: 1 });
    const sent = Array.from({ length: 200 }, (_, index) => `${index}`);

    for (const payload of sent) {
      publisher.publish('a/b', { payload, qos: 1 });
      if (Number(payload) % 20 === 0) client.send(hex("82 08 0009 0003'a/#' 01"));
    }
    await publisher.settled();

    expect(payloads(await receiveAll(client))).toEqual(sent);
  });

  it('[MQTT-3.8.4-4] takes several filters as so many SUBSCRIBEs and answers them with one SUBACK', async () => {
    const broker = await start();
    const client = await broker.client(4);
    const publisher = await broker.client(4);

    client.send(hex(framed(0x82, "0007 0001'a' 00 0001'b' 02 0001'a' 01")));

    await client.expectHex('90 05 0007 00 02 01');
    await publishWhole(publisher, 'a', { payload: 'x', qos: 2 });
    await receiveWhole(client, 'a', 'x', { qos: 1 });
    await publishWhole(publisher, 'b', { payload: 'y', qos: 2 });
    await receiveWhole(client, 'b', 'y', { qos: 2 });
    await client.expectNothing();
  });

  it('[MQTT-3.8.4-5] gets for each filter the granted QoS or that it failed', async () => {
    const client = await (await start({ limits: { maximumSubscriptions: 3 } })).client(4);

    client.send(hex(framed(0x82, "0001 0001'a' 02 0001'b' 01 0001'c' 00 0001'd' 02 0001'a' 01")));

    await client.expectHex('90 07 0001 02 01 00 80 01');
  });

  it('[MQTT-3.8.4-6] leads to the lower of published and granted QoS', async () => {
    const broker = await start();
    const client = await broker.client(4);
    const publisher = await broker.client(4);
    for (const granted of everyQoS) await client.subscribe(`granted/${granted}`, { qos: granted });

    for (const granted of everyQoS) {
      for (const published of everyQoS) {
        await publishWhole(publisher, `granted/${granted}`, { payload: `${published}`, qos: published });
        await receiveWhole(client, `granted/${granted}`, `${published}`, { qos: Math.min(granted, published) });
      }
    }
    await client.expectNothing();
  });
});
