import { expect, it } from '@jest/globals';
import { framed, hex } from '../../support/bytes.js';
import { payloads, publishWhole, receiveAll } from '../../support/exchanges.js';
import { describeOverTransports, type TestBroker } from '../../support/test-broker.js';

describeOverTransports('4.7 Topic names and topic filters', (start) => {
  it.each(['a/+', 'a/#', '+', '#', 'a+b', 'a#'])('[MQTT-4.7.0-1] refuses to publish to %s', async (topic) => {
    const broker = await start();
    const client = await broker.client();
    const other = await broker.client();
    await other.subscribe('#');

    client.publish(topic, { qos: 1 });

    await client.expectDisconnect(0x90);
    await other.expectNothing();
  });

  it.each(['a#', 'a/b#', '#/a', 'a/#/b', '##', 'a/##', '#a', '+#'])(
    '[MQTT-4.7.1-1] refuses to subscribe to %s',
    async (filter) => {
      const client = await (await start()).client();

      client.send(hex(framed(0x82, `0001 00 ${text(filter)} 00`)));

      await client.expectDisconnect(0x8f);
    },
  );

  it.each(['a+', '+a', 'a/b+', 'a/+b/c', '++', 'a/++'])('[MQTT-4.7.1-2] refuses to subscribe to %s', async (filter) => {
    const client = await (await start()).client();

    client.send(hex(framed(0x82, `0001 00 ${text(filter)} 00`)));

    await client.expectDisconnect(0x8f);
  });

  it.each([
    ['#', ['a', 'a/b', '/a', '/', 'a/', 'a/b/c/']],
    ['a/#', ['a', 'a/b', 'a/', 'a/b/c/']],
    ['/#', ['/a', '/']],
  ])('[MQTT-4.7.1-1] matches with %s all levels and the one above', async (filter, expected) => {
    await expectMatches(await start(), filter, expected);
  });

  it.each([
    ['+', ['a']],
    ['a/+', ['a/b', 'a/']],
    ['+/+', ['a/b', '/a', '/', 'a/']],
    ['/+', ['/a', '/']],
    ['+/', ['/', 'a/']],
    ['+/b/#', ['a/b', 'a/b/c/']],
    ['a/+/c/+', ['a/b/c/']],
  ])('[MQTT-4.7.1-2] matches with %s one level, even an empty one', async (filter, expected) => {
    await expectMatches(await start(), filter, expected);
  });

  it('[MQTT-4.7.2-1] matches topics that begin with $ by no filter that begins with a wildcard', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const wild = await broker.client();
    const exact = await broker.client();
    await wild.subscribe(['#', '+/a', '+/#', '+']);
    await exact.subscribe(['$own/#', '$own/+', '$own']);

    for (const topic of ['$own/a', '$own']) await publishWhole(publisher, topic, { payload: topic });

    await wild.expectNothing();
    expect(new Set(payloads(await receiveAll(exact)))).toEqual(new Set(['$own/a', '$own']));
  });

  it('[MQTT-4.7.2-1] holds for retained messages, and for a $ in the first level only', async () => {
    const broker = await start();
    const client = await broker.client();
    for (const topic of ['$own/a', 'a/$b']) await publishWhole(client, topic, { payload: topic, retain: true });

    await client.subscribe('#');
    await client.expectPublish('a/$b', 'a/$b', { retain: true });
    await client.subscribe('+/a');
    await client.expectNothing();
    await client.subscribe('a/+');
    await client.expectPublish('a/$b', 'a/$b', { retain: true });
    await client.subscribe('$own/+');
    await client.expectPublish('$own/a', '$own/a', { retain: true });
  });

  it('[MQTT-4.7.3-1] refuses an empty topic name', async () => {
    const client = await (await start()).client();

    client.send(hex(framed(0x30, '0000 00')));

    await client.expectDisconnect(0x82);
  });

  it('[MQTT-4.7.3-1] refuses an empty topic filter', async () => {
    const client = await (await start()).client();

    client.send(hex(framed(0x82, '0001 00 0000 00')));

    await client.expectDisconnect(0x8f);
  });

  it('[MQTT-4.7.3-1] takes a topic of one character, be it a separator', async () => {
    const client = await (await start()).client();
    await client.subscribe('/');

    client.publish('/', { payload: 'x' });

    await client.expectPublish('/', 'x');
  });

  it.each([
    ['name', framed(0x30, '0003[610062] 00')],
    ['filter', framed(0x82, '0001 00 0003[610062] 00')],
  ])('[MQTT-4.7.3-2] refuses U+0000 in a topic %s', async (_which, bytes) => {
    const client = await (await start()).client();

    client.send(hex(bytes));

    await client.expectDisconnect(0x81);
  });

  it('[MQTT-4.7.3-3] takes topic names and filters of 65,535 bytes', async () => {
    const client = await (await start()).client();
    const topic = 'é'.repeat(32_767) + 'x';

    const { reasonCodes } = await client.subscribe(topic);
    client.publish(topic, { payload: 'far' });

    expect(reasonCodes).toEqual([0]);
    await client.expectPublish(topic, 'far');
  });

  it('[MQTT-4.7.3-4] neither normalizes nor replaces anything', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const client = await broker.client();
    const lookAlikes = ['é', 'e\u0301', 'É', 'e', 'e ', ' e', 'e/', '/e', 'e//', '\ufeffe', '%C3%A9', '\\u00e9', 'e.'];

    for (const filter of lookAlikes) {
      await client.subscribe(filter);
      for (const topic of lookAlikes) publisher.publish(topic, { payload: topic });
      await publisher.settled();
      expect(payloads(await receiveAll(client))).toEqual([filter]);
      client.send({ type: 10, packetId: 1, filters: [filter] });
      await client.expect({ type: 11, reasonCodes: [0] });
    }
  });

  it('[MQTT-4.7.3-4] forwards the topic name byte for byte, U+FEFF and unassigned characters included', async () => {
    const client = await (await start()).client();
    await client.subscribe('#');

    client.send(hex(framed(0x30, '000a[efbbbf65cc81f0b08080] 00')));

    await client.expectHex('30 0d 000a efbbbf 65cc81 f0b08080 00');
  });
});

const text = (filter: string): string => `${filter.length.toString(16).padStart(4, '0')}'${filter}'`;

const topics = ['a', 'a/b', '/a', '/', 'a/', 'a/b/c/'];

async function expectMatches(broker: TestBroker, filter: string, expected: readonly string[]): Promise<void> {
  const client = await broker.client();
  await client.subscribe(filter);

  for (const topic of topics) client.publish(topic, { payload: topic });
  await client.settled();

  const live = payloads(await receiveAll(client));
  expect(live.sort()).toEqual([...expected].sort());
}
