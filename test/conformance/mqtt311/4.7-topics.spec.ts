import { expect, it } from '@jest/globals';
import { framed, hex } from '../../support/bytes.js';
import { payloads, publishWhole, receiveAll } from '../../support/exchanges.js';
import { describeOverTransports } from '../../support/test-broker.js';

describeOverTransports('MQTT 3.1.1, 4.7 Topic names and topic filters', (start) => {
  it.each(['a/+', '#', 'a+', 'a#'])('[MQTT-4.7.1-1] closes when a client publishes to %s', async (topic) => {
    const broker = await start();
    const other = await broker.client(4);
    await other.subscribe('#');
    const client = await broker.client(4);

    client.publish(topic, { qos: 1 });

    await client.expectClosed();
    await other.expectNothing();
  });

  it.each([
    ['[MQTT-4.7.1-2]', 'a#'],
    ['[MQTT-4.7.1-2]', '#/a'],
    ['[MQTT-4.7.1-2]', 'a/#/b'],
    ['[MQTT-4.7.1-2]', '##'],
    ['[MQTT-4.7.1-3]', 'a+'],
    ['[MQTT-4.7.1-3]', '+a/b'],
    ['[MQTT-4.7.1-3]', 'a/++'],
  ])('%s closes when a client subscribes to %s', async (_id, filter) => {
    const client = await (await start()).client(4);

    client.send(hex(framed(0x82, `0001 000${filter.length}'${filter}' 00`)));

    await client.expectClosed();
  });

  it.each([
    ['#', ['a', 'a/b', '/a', 'a/']],
    ['a/#', ['a', 'a/b', 'a/']],
    ['+', ['a']],
    ['a/+', ['a/b', 'a/']],
    ['+/+', ['a/b', '/a', 'a/']],
    ['/+', ['/a']],
    ['$own/#', ['$own/a', '$own']],
    ['$own/+', ['$own/a']],
    ['+/a', ['/a']],
  ])('[MQTT-4.7.1-2] [MQTT-4.7.1-3] [MQTT-4.7.2-1] matches with %s', async (filter, expected) => {
    const client = await (await start()).client(4);
    await client.subscribe(filter);

    for (const topic of ['a', 'a/b', '/a', 'a/', '$own/a', '$own']) client.publish(topic, { payload: topic });
    await client.settled();

    expect(payloads(await receiveAll(client))).toEqual(expected);
  });

  it.each([
    ['[MQTT-4.7.3-1] an empty topic name', framed(0x30, '0000')],
    ['[MQTT-4.7.3-1] an empty topic filter', framed(0x82, '0001 0000 00')],
    ['[MQTT-4.7.3-2] U+0000 in a topic name', framed(0x30, '0001[00]')],
    ['[MQTT-4.7.3-2] U+0000 in a topic filter', framed(0x82, '0001 0002[6100] 00')],
  ])('%s closes the connection', async (_title, bytes) => {
    const client = await (await start()).client(4);

    client.send(hex(bytes));

    await client.expectClosed();
  });

  it('[MQTT-4.7.3-3] takes topic names and filters of 65,535 bytes', async () => {
    const client = await (await start()).client(4);
    const topic = 'é'.repeat(32_767) + 'x';

    await client.subscribe(topic);
    client.publish(topic, { payload: 'far' });

    await client.expectPublish(topic, 'far');
  });

  it('[MQTT-4.7.3-4] neither normalizes nor replaces anything', async () => {
    const broker = await start();
    const publisher = await broker.client(4);
    const lookAlikes = ['é', 'e\u0301', 'É', 'e', 'e ', 'e/', '/e', '\ufeffe', '%C3%A9', 'constructor', '__proto__'];

    for (const filter of lookAlikes) {
      const client = await broker.client(4);
      await client.subscribe(filter);
      for (const topic of lookAlikes) await publishWhole(publisher, topic, { payload: topic });
      expect(payloads(await receiveAll(client))).toEqual([filter]);
    }
  });
});
