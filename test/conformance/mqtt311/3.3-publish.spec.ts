import { expect, it } from '@jest/globals';
import { PacketType } from '../../../lib/protocol/packets.js';
import { framed, hex } from '../../support/bytes.js';
import { everyQoS, payloads, publishWhole, receiveAll, receiveWhole } from '../../support/exchanges.js';
import { GuardedAuth } from '../../support/guarded-auth.js';
import { leave } from '../../support/scenario.js';
import { describeOverTransports } from '../../support/test-broker.js';

describeOverTransports('MQTT 3.1.1, 3.3 PUBLISH', (start) => {
  it('[MQTT-3.3.1-1] has DUP 1 when it is sent again', async () => {
    const broker = await start();
    const session = { clientId: 'c', cleanStart: false };
    const client = await broker.client(4, session);
    await client.subscribe('a', { qos: 2 });
    for (const qos of [1, 2] as const) await publishWhole(await broker.client(4), 'a', { payload: `${qos}`, qos });
    const one = await client.expectPublish('a', '1', { dup: false });
    const two = await client.expectPublish('a', '2', { dup: false });
    await leave(client);

    const again = await broker.client(4, session);

    await again.expectPublish('a', '1', { dup: true, qos: 1, packetId: one.packetId });
    await again.expectPublish('a', '2', { dup: true, qos: 2, packetId: two.packetId });
  });

  it('[MQTT-3.3.1-2] closes for DUP 1 at QoS 0', async () => {
    const client = await (await start()).client(4);

    client.send(hex(framed(0x38, `0001'a' "x"`)));

    await client.expectClosed();
  });

  it('[MQTT-3.3.1-2] [MQTT-3.3.1-3] has its own DUP, whatever DUP came in', async () => {
    const broker = await start();
    const client = await broker.client(4);
    const publisher = await broker.client(4);
    await client.subscribe([
      { filter: 'zero', qos: 0 },
      { filter: 'two', qos: 2 },
    ]);

    for (const topic of ['zero', 'two']) {
      for (const qos of [1, 2] as const) publisher.publish(topic, { payload: `${qos}`, qos, dup: true });
    }
    await publisher.settled();

    for (const payload of ['1', '2']) await client.expectPublish('zero', payload, { qos: 0, dup: false });
    for (const qos of [1, 2]) await client.expectPublish('two', `${qos}`, { qos, dup: false });
  });

  it('[MQTT-3.3.1-4] closes for QoS 3', async () => {
    const client = await (await start()).client(4);

    client.send(hex(framed(0x36, `0001'a' 0001 "x"`)));

    await client.expectClosed();
  });

  it.each(everyQoS)('[MQTT-3.3.1-5] [MQTT-3.3.1-6] [MQTT-3.3.1-8] is kept with its QoS %d by RETAIN', async (qos) => {
    const broker = await start();
    const publisher = await broker.client(4);
    await publishWhole(publisher, 'a', { payload: 'kept', qos, retain: true });
    await leave(publisher);

    const client = await broker.client(4);
    await client.subscribe('a', { qos: 2 });

    await receiveWhole(client, 'a', 'kept', { qos, retain: true, dup: false });
    await client.expectNothing();
  });

  it('[MQTT-3.3.1-6] is sent to a new subscription for each matching topic, the last one of each', async () => {
    const broker = await start();
    const publisher = await broker.client(4);
    for (const topic of ['a/b', 'a/c', 'a', 'b']) {
      for (const payload of ['old', topic]) await publishWhole(publisher, topic, { payload, retain: true, qos: 1 });
    }

    const client = await broker.client(4);
    await client.subscribe('a/#', { qos: 1 });

    await client.settled();
    expect(payloads(await receiveAll(client)).sort()).toEqual(['a', 'a/b', 'a/c']);
  });

  it('[MQTT-3.3.1-7] discards at QoS 0 what was retained before', async () => {
    const broker = await start();
    const publisher = await broker.client(4);
    await publishWhole(publisher, 'a', { payload: 'old', qos: 2, retain: true });

    await publishWhole(publisher, 'a', { payload: 'new', qos: 0, retain: true });

    const client = await broker.client(4);
    await client.subscribe('a', { qos: 2 });
    await client.expectPublish('a', 'new', { qos: 0, retain: true });
    await client.expectNothing();
  });

  it.each(everyQoS)('[MQTT-3.3.1-9] has RETAIN 0 for an established subscription at QoS %d', async (qos) => {
    const broker = await start();
    const client = await broker.client(4);
    await client.subscribe('a', { qos });

    await publishWhole(await broker.client(4), 'a', { payload: 'x', retain: true, qos });

    await client.expectPublish('a', 'x', { retain: false, qos });
    await client.expectNothing();
  });

  it('[MQTT-3.3.1-10] [MQTT-3.3.1-11] removes the retained message when it is empty, and is delivered', async () => {
    const broker = await start();
    const publisher = await broker.client(4);
    const live = await broker.client(4);
    await live.subscribe('a');
    await publishWhole(publisher, 'a', { payload: 'kept', retain: true });
    await live.expectPublish('a', 'kept');

    await publishWhole(publisher, 'a', { payload: '', retain: true });

    await live.expectPublish('a', '', { retain: false });
    const late = await broker.client(4);
    await late.subscribe('a');
    await late.expectNothing();
  });

  it('[MQTT-3.3.1-12] neither replaces nor removes the retained message with RETAIN 0', async () => {
    const broker = await start();
    const publisher = await broker.client(4);
    await publishWhole(publisher, 'a', { payload: 'kept', retain: true });

    await publishWhole(publisher, 'a', { payload: 'other' });
    await publishWhole(publisher, 'a', { payload: '' });
    await publishWhole(publisher, 'b', { payload: 'other' });

    const client = await broker.client(4);
    await client.subscribe(['a', 'b']);
    await client.expectPublish('a', 'kept', { retain: true });
    await client.expectNothing();
  });

  it.each([
    ['a topic name that is not UTF-8', framed(0x30, '0002[c328]')],
    ['a topic name that reaches beyond the packet', framed(0x30, '0005[61]')],
    ['no topic name at all', '3000'],
  ])('[MQTT-3.3.2-1] closes for %s', async (_what, bytes) => {
    const client = await (await start()).client(4);

    client.send(hex(bytes));

    await client.expectClosed();
  });

  it.each(['a/+', '#', 'a#', '+a'])('[MQTT-3.3.2-2] closes for the topic name %s', async (topic) => {
    const broker = await start();
    const client = await broker.client(4);

    client.publish(topic, { qos: 1 });

    await client.expectClosed();
  });

  it('[MQTT-3.3.2-3] goes out with the topic name that it came with, to matching filters only', async () => {
    const broker = await start();
    const client = await broker.client(4);
    await client.subscribe(['a/+', 'b']);

    const publisher = await broker.client(4);
    for (const topic of ['a', 'a/b', 'a/b/c', 'b', 'B']) await publishWhole(publisher, topic, { payload: topic });

    await client.expectPublish('a/b', 'a/b');
    await client.expectPublish('b', 'b');
    await client.expectNothing();
  });

  it('[MQTT-3.3.4-1] is answered by its QoS: nothing, PUBACK, PUBREC', async () => {
    const client = await (await start()).client(4);

    client.send(hex(`30 04 0001'a' "x"`));
    await client.expectNothing();
    client.send(hex(`32 06 0001'a' 0007 "x"`));
    await client.expectHex('40 02 0007');
    client.send(hex(`34 06 0001'a' 0008 "x"`));
    await client.expectHex('50 02 0008');
    await client.expectNothing();
  });

  it('[MQTT-3.3.5-1] is delivered with the highest QoS of all matching subscriptions', async () => {
    const broker = await start();
    const client = await broker.client(4);
    await client.subscribe([
      { filter: 'a/#', qos: 0 },
      { filter: 'a/+', qos: 2 },
      { filter: 'a/b', qos: 1 },
    ]);

    await publishWhole(await broker.client(4), 'a/b', { payload: 'x', qos: 2 });

    const received = await receiveAll(client);
    expect(Math.max(...received.map(({ qos }) => qos))).toBe(2);
    expect(new Set(payloads(received))).toEqual(new Set(['x']));
  });

  it('[MQTT-3.3.5-2] is acknowledged like any other when it is not allowed, and goes nowhere', async () => {
    const broker = await start({ auth: new GuardedAuth() });
    const client = await broker.client(4);
    await client.subscribe('#', { qos: 2 });

    client.publish('secret', { qos: 0, retain: true, payload: 'x' });
    client.publish('secret', { qos: 1, retain: true, packetId: 1, payload: 'x' });
    client.publish('secret', { qos: 2, retain: true, packetId: 2, payload: 'x' });

    await client.expectHex('40 02 0001');
    await client.expectHex('50 02 0002');
    client.acknowledge(PacketType.PUBREL, 2);
    await client.expectHex('70 02 0002');
    await client.subscribe('+');
    await client.expectNothing();
  });
});
