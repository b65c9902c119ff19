import { expect, it } from '@jest/globals';
import { PacketType } from '../../../lib/protocol/packets.js';
import { framed, hex } from '../../support/bytes.js';
import { payloads, publishWhole, receiveAll } from '../../support/exchanges.js';
import { leave } from '../../support/scenario.js';
import { describeOverTransports } from '../../support/test-broker.js';

const { PUBREC, PUBREL, PUBCOMP } = PacketType;

describeOverTransports('MQTT 3.1.1, 3.10 UNSUBSCRIBE', (start) => {
  it.each(['a0', 'a1', 'a3', 'a6', 'aa', 'af'])('[MQTT-3.10.1-1] closes for the first byte %s', async (first) => {
    const client = await (await start()).client(4);

    client.send(hex(`${first} 05 0001 0001'a'`));

    await client.expectClosed();
  });

  it.each([
    ['[MQTT-3.10.3-1] closes for a filter that is not UTF-8', '0001 0002[c328]'],
    ['[MQTT-3.10.3-2] closes when there is no filter', '0001'],
  ])('%s', async (_title, body) => {
    const client = await (await start()).client(4);

    client.send(hex(framed(0xa2, body)));

    await client.expectClosed();
  });

  it('[MQTT-3.10.4-1] deletes the subscription with the same filter, character by character', async () => {
    const broker = await start();
    const client = await broker.client(4);
    const publisher = await broker.client(4);
    await client.subscribe(['a/b', 'A/+', 'c/#', 'c/d']);

    client.send({ type: PacketType.UNSUBSCRIBE, packetId: 1, filters: ['a/+', '#', 'A/b', 'c/#', 'a/b/'] });

    await client.expectHex('b0 02 0001');
    for (const topic of ['a/b', 'A/b', 'c/d', 'c/e']) await publishWhole(publisher, topic, { payload: topic });
    expect(payloads(await receiveAll(client))).toEqual(['a/b', 'A/b', 'c/d']);
  });

  it('[MQTT-3.10.4-2] adds no more messages for the client', async () => {
    const broker = await start();
    const session = { clientId: 'c', cleanStart: false };
    const client = await broker.client(4, session);
    const publisher = await broker.client(4);
    await client.subscribe('a', { qos: 2 });
    client.send(hex("a2 05 0001 0001'a'"));
    await client.expectHex('b0 02 0001');

    for (const qos of [0, 1, 2] as const) await publishWhole(publisher, 'a', { payload: 'x', qos });
    await client.expectNothing();
    await leave(client);
    await publishWhole(publisher, 'a', { payload: 'x', qos: 1 });

    await (await broker.client(4, session)).expectNothing();
  });

  it('[MQTT-3.10.4-3] completes the deliveries that were begun', async () => {
    const broker = await start();
    const session = { clientId: 'c', cleanStart: false };
    const client = await broker.client(4, session);
    const publisher = await broker.client(4);
    await client.subscribe('a', { qos: 2 });
    for (const payload of ['one', 'two']) await publishWhole(publisher, 'a', { payload, qos: 2 });
    const one = await client.expectPublish('a', 'one');
    const two = await client.expectPublish('a', 'two');

    client.send(hex("a2 05 0001 0001'a'"));
    await client.expectHex('b0 02 0001');
    client.acknowledge(PUBREC, one.packetId);
    await client.expect({ type: PUBREL, packetId: one.packetId });
    client.acknowledge(PUBCOMP, one.packetId);
    await leave(client);

    const again = await broker.client(4, session);
    await again.expectPublish('a', 'two', { dup: true, packetId: two.packetId });
    again.acknowledge(PUBREC, two.packetId);
    await again.expect({ type: PUBREL, packetId: two.packetId });
  });

  it('[MQTT-3.10.4-4] [MQTT-3.10.4-5] is answered by UNSUBACK, even if nothing was deleted', async () => {
    const client = await (await start()).client(4);
    await client.subscribe('a');

    client.send(hex("a2 05 1234 0001'a'"));
    client.send(hex("a2 05 ffff 0001'a'"));

    await client.expectHex('b0 02 1234');
    await client.expectHex('b0 02 ffff');
  });

  it('[MQTT-3.10.4-6] takes several filters as so many UNSUBSCRIBEs and answers them with one UNSUBACK', async () => {
    const broker = await start();
    const client = await broker.client(4);
    await client.subscribe(['a', 'b', 'c']);

    client.send(hex(framed(0xa2, "0009 0001'c' 0001'x' 0001'a' 0001'a'")));

    await client.expectHex('b0 02 0009');
    for (const topic of ['a', 'b', 'c']) await publishWhole(await broker.client(4), topic, { payload: topic });
    expect(payloads(await receiveAll(client))).toEqual(['b']);
  });
});
