import { expect, it } from '@jest/globals';
import { PacketType } from '../../../lib/protocol/packets.js';
import { framed, hex } from '../../support/bytes.js';
import { payloads, publishWhole, receiveAll } from '../../support/exchanges.js';
import { leave, resume } from '../../support/scenario.js';
import { describeAlsoInRedis } from '../../support/test-broker.js';
import type { WireClient } from '../../support/wire-client.js';

const { PUBREC, PUBREL, PUBCOMP, PUBACK } = PacketType;

describeAlsoInRedis('3.10 UNSUBSCRIBE', (start) => {
  it.each(['a0', 'a1', 'a3', 'a6', 'aa', 'af'])(
    '[MQTT-3.10.1-1] is malformed with the first byte %s',
    async (first) => {
      const client = await (await start()).client();

      client.send(hex(`${first} 06 0001 00 0001'a'`));

      await client.expectDisconnect(0x81);
    },
  );

  it.each([
    ['ill-formed UTF-8', '0002[c328]'],
    ['a surrogate', '0003[eda080]'],
    ['U+0000', '0003[610062]'],
  ])('[MQTT-3.10.3-1] is malformed with %s in a topic filter', async (_what, filter) => {
    const client = await (await start()).client();

    client.send(hex(framed(0xa2, `0001 00 ${filter}`)));

    await client.expectDisconnect(0x81);
  });

  it('[MQTT-3.10.3-2] is a protocol error without a topic filter', async () => {
    const client = await (await start()).client();

    client.send(hex(framed(0xa2, '0001 00')));

    await client.expectDisconnect(0x82);
  });

  it('[MQTT-3.10.4-1] deletes the subscription whose filter is the same, character by character', async () => {
    const broker = await start();
    const client = await broker.client();
    const publisher = await broker.client();
    await client.subscribe(['a/b', 'A/+', 'a/+/c', '/x/']);

    unsubscribe(client, 1, ['a/+', '#', 'A/b', '/x', 'x/', 'a/+/+', 'a/b']);

    await client.expectHex('b0 0a 0001 00 11 11 11 11 11 11 00');
    for (const topic of ['a/b', 'A/b', 'a/b/c', '/x/']) await publishWhole(publisher, topic, { payload: topic });
    expect(payloads(await receiveAll(client))).toEqual(['A/b', 'a/b/c', '/x/']);
  });

  it('[MQTT-3.10.4-1] deletes a wildcard subscription and leaves those below it', async () => {
    const broker = await start();
    const client = await broker.client();
    const publisher = await broker.client();
    await client.subscribe(['a/#', 'a/b']);

    unsubscribe(client, 1, ['a/#']);

    await client.expectHex('b0 04 0001 00 00');
    for (const topic of ['a', 'a/b', 'a/c']) await publishWhole(publisher, topic, { payload: topic });
    expect(payloads(await receiveAll(client))).toEqual(['a/b']);
  });

  it('[MQTT-3.10.4-1] tells shared from other subscriptions, and one group from another', async () => {
    const broker = await start();
    const client = await broker.client();
    const publisher = await broker.client();
    await client.subscribe(['$share/g/a', '$share/h/a']);

    unsubscribe(client, 1, ['a', '$share/i/a', '$share/g/a', '$share/g/a']);

    await client.expectHex('b0 07 0001 00 11 11 00 11');
    await publishWhole(publisher, 'a', { payload: 'for h' });
    expect(payloads(await receiveAll(client))).toEqual(['for h']);
  });

  it('[MQTT-3.10.4-1] deletes from its own session only', async () => {
    const broker = await start();
    const client = await broker.client();
    const other = await broker.client();
    await other.subscribe('a');

    unsubscribe(client, 1, ['a']);

    await client.expectHex('b0 04 0001 00 11');
    await publishWhole(client, 'a', { payload: 'x' });
    await other.expectPublish('a', 'x');
  });

  it('[MQTT-3.10.4-2] adds no more messages for the client', async () => {
    const broker = await start();
    const client = await resume(broker, 'c');
    const publisher = await broker.client();
    await client.subscribe([
      { filter: 'a', qos: 0 },
      { filter: 'b', qos: 2 },
    ]);
    unsubscribe(client, 1, ['a', 'b']);
    await client.expectHex('b0 05 0001 00 00 00');

    await publishWhole(publisher, 'a', { payload: 'live' });
    await publishWhole(publisher, 'b', { payload: 'live', qos: 2 });
    await client.expectNothing();
    await leave(client);
    await publishWhole(publisher, 'b', { payload: 'queued', qos: 1 });

    const again = await resume(broker, 'c');
    await again.expectNothing();
  });

  it('[MQTT-3.10.4-3] completes the QoS 2 delivery that was begun', async () => {
    const broker = await start();
    const client = await broker.client();
    const publisher = await broker.client();
    await client.subscribe({ filter: 'a', qos: 2 });
    await publishWhole(publisher, 'a', { payload: 'x', qos: 2 });
    const { packetId } = await client.expectPublish('a', 'x', { qos: 2 });

    unsubscribe(client, 1, ['a']);
    await client.expectHex('b0 04 0001 00 00');
    client.acknowledge(PUBREC, packetId);

    await client.expect({ type: PUBREL, packetId, reasonCode: 0 });
    client.acknowledge(PUBCOMP, packetId);
    await client.expectNothing();
  });

  it('[MQTT-3.10.4-3] completes what was begun on a later connection as well', async () => {
    const broker = await start();
    const client = await resume(broker, 'c');
    const publisher = await broker.client();
    await client.subscribe({ filter: 'a', qos: 2 });
    await publishWhole(publisher, 'a', { payload: 'one', qos: 1 });
    await publishWhole(publisher, 'a', { payload: 'two', qos: 2 });
    const one = await client.expectPublish('a', 'one', { qos: 1, dup: false });
    const two = await client.expectPublish('a', 'two', { qos: 2, dup: false });
    unsubscribe(client, 1, ['a']);
    await client.expectHex('b0 04 0001 00 00');
    await leave(client);

    const again = await resume(broker, 'c');

    await again.expectPublish('a', 'one', { qos: 1, dup: true, packetId: one.packetId });
    await again.expectPublish('a', 'two', { qos: 2, dup: true, packetId: two.packetId });
    again.acknowledge(PUBACK, one.packetId).acknowledge(PUBREC, two.packetId);
    await again.expect({ type: PUBREL, packetId: two.packetId });
  });

  it('[MQTT-3.10.4-4] [MQTT-3.10.4-5] is answered by UNSUBACK with the same packet identifier', async () => {
    const client = await (await start()).client();
    await client.subscribe('a');

    unsubscribe(client, 0x1234, ['a']);
    unsubscribe(client, 0xffff, ['a']);

    await client.expectHex('b0 04 1234 00 00');
    await client.expectHex('b0 04 ffff 00 11');
  });

  it('[MQTT-3.10.4-6] takes several filters as so many UNSUBSCRIBEs and answers them with one UNSUBACK', async () => {
    const client = await (await start()).client();
    await client.subscribe(['a', 'b', 'c']);

    unsubscribe(client, 5, ['c', 'a', 'a', 'd']);

    await client.expectHex('b0 07 0005 00 00 00 11 11');
    await client.expectNothing();
  });
});

function unsubscribe(client: WireClient, packetId: number, filters: readonly string[]): void {
  client.send({ type: PacketType.UNSUBSCRIBE, packetId, filters });
}
