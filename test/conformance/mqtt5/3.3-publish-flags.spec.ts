import { expect, it } from '@jest/globals';
import { PacketType } from '../../../lib/protocol/packets.js';
import { expectRefused, leave, payloadsOf, publishKept, readAll, resume } from '../../support/scenario.js';
import { describeOverTransports } from '../../support/test-broker.js';

describeOverTransports('3.3 PUBLISH, flags and topic name', (start) => {
  it('[MQTT-3.3.1-1] sets DUP to 1 when a PUBLISH is delivered again', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const first = await resume(broker, 'sub');
    await first.subscribe('a', { qos: 1 });
    publisher.publish('a', { qos: 1, payload: 'x' });
    await first.expectHex('32 07 0001 61 0001 00 78');
    first.drop();

    const second = await resume(broker, 'sub');

    await second.expectHex('3a 07 0001 61 0001 00 78');
  });

  it('[MQTT-3.3.1-2] closes the connection on DUP 1 at QoS 0', async () => {
    const broker = await start();
    const client = await broker.client();

    client.send('38 05 0001 61 00 78');

    await expectRefused(client, 0x81);
  });

  it('[MQTT-3.3.1-2] sends DUP 0 at QoS 0, whatever the publisher has set at QoS 1', async () => {
    const broker = await start();
    const subscriber = await broker.client();
    const publisher = await broker.client();
    await subscriber.subscribe('a');

    publisher.send('3a 07 0001 61 0001 00 78');

    await subscriber.expectHex('30 05 0001 61 00 78');
  });

  it.each([
    { qos: 1, received: '3a 07 0001 61 0009 00 78', sent: '32 07 0001 61 0001 00 78' },
    { qos: 2, received: '3c 07 0001 61 0009 00 78', sent: '34 07 0001 61 0001 00 78' },
  ] as const)('[MQTT-3.3.1-3] does not propagate the DUP of a PUBLISH at QoS $qos', async ({ qos, received, sent }) => {
    const broker = await start();
    const subscriber = await broker.client();
    const publisher = await broker.client();
    await subscriber.subscribe('a', { qos });

    publisher.send(received);

    await subscriber.expectHex(sent);
  });

  it('[MQTT-3.3.1-3] sets DUP on a retransmission alone: a message sent first after a reconnect has DUP 0', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const first = await resume(broker, 'sub');
    await first.subscribe('a', { qos: 1 });
    await leave(first);
    await publishKept(publisher, 'a', { payload: 'while away', dup: true });

    const second = await resume(broker, 'sub');

    await second.expectPublish('a', 'while away', { dup: false });
  });

  it('[MQTT-3.3.1-4] closes the connection when both QoS bits are 1', async () => {
    const broker = await start();
    const subscriber = await broker.client();
    const client = await broker.client();
    await subscriber.subscribe('#');

    client.send('36 07 0001 61 0001 00 78');

    await expectRefused(client, 0x81);
    await subscriber.expectNothing();
  });

  it('[MQTT-3.3.2-1] takes the topic name as the first field, UTF-8, and forwards it byte by byte', async () => {
    const broker = await start();
    const subscriber = await broker.client();
    const publisher = await broker.client();
    await subscriber.subscribe('#');

    publisher.send('30 0c 0008 4bc3bc6368652f31 00 78');

    await subscriber.expectHex('30 0c 0008 4bc3bc6368652f31 00 78');
  });

  it.each([
    ['an overlong encoding', 'c0af'],
    ['a truncated character', '61c3'],
    ['a surrogate', 'eda080'],
    ['a code point above U+10FFFF', 'f4908080'],
    ['U+0000', '6100'],
  ])('[MQTT-3.3.2-1] closes the connection on a topic name with %s', async (_what, topic) => {
    const broker = await start();
    const client = await broker.client();
    const body = Buffer.concat([Buffer.from([0, topic.length / 2]), Buffer.from(topic, 'hex'), Buffer.from([0])]);

    client.send(Buffer.concat([Buffer.from([0x30, body.length]), body]));

    await expectRefused(client, 0x81);
  });

  it.each(['+', '#', 'a/+', 'a/#', '+/a', 'a+', 'a#b'])(
    '[MQTT-3.3.2-2] closes the connection on the topic name %s',
    async (topic) => {
      const broker = await start();
      const client = await broker.client();

      client.publish(topic, { qos: 1, payload: 'x' });

      await expectRefused(client, 0x81, 0x82, 0x90);
    },
  );

  it('[MQTT-3.3.2-3] sends the topic name of the message, which matches the filter', async () => {
    const broker = await start();
    const subscriber = await broker.client();
    const publisher = await broker.client();
    await subscriber.subscribe(['home/+/light', 'garden/#', '$share/group/shed/+']);

    for (const topic of ['home/hall/light', 'home/hall/Light', 'home/light', 'garden', 'garden/a/b', 'shed/door']) {
      publisher.publish(topic, { payload: topic });
    }
    await publisher.settled();

    const packets = await readAll(subscriber);
    expect(packets.map((packet) => 'topic' in packet && packet.topic)).toEqual(payloadsOf(packets));
    expect(payloadsOf(packets)).toEqual(['home/hall/light', 'garden', 'garden/a/b', 'shed/door']);
  });

  it('[MQTT-3.3.2-3] sends the topic name also when the publisher sent an alias', async () => {
    const broker = await start();
    const subscriber = await broker.client();
    const publisher = await broker.client();
    await subscriber.subscribe('home/+');

    publisher.publish('home/light', { payload: 'one', properties: { topicAlias: 1 } });
    publisher.publish('', { payload: 'two', properties: { topicAlias: 1 } });

    await subscriber.expectPublish('home/light', 'one', { properties: undefined });
    await subscriber.expectPublish('home/light', 'two', { properties: undefined });
  });

  it('[MQTT-3.3.4-1] answers nothing at QoS 0, PUBACK at QoS 1 and PUBREC at QoS 2', async () => {
    const broker = await start();
    const client = await broker.client();
    const other = await broker.client();
    await other.subscribe('a');

    client.publish('a');
    await client.expectNothing();
    client.publish('a', { qos: 1, packetId: 0x0102 });
    await client.expectHex('40 02 0102');
    client.publish('a', { qos: 2, packetId: 0xffff });
    await client.expectHex('50 02 ffff');
    await client.expectNothing();
  });

  it('[MQTT-3.3.4-1] tells 0x10 in PUBACK and PUBREC when nobody has subscribed', async () => {
    const broker = await start();
    const client = await broker.client();

    client.publish('a', { qos: 1 });
    await client.expect({ type: PacketType.PUBACK, packetId: 1, reasonCode: 0x10 });
    client.publish('a', { qos: 2 });
    await client.expect({ type: PacketType.PUBREC, packetId: 2, reasonCode: 0x10 });
  });

  it('[MQTT-3.3.4-1] keeps the payload, however long and whatever is in it', async () => {
    const broker = await start();
    const subscriber = await broker.client();
    const publisher = await broker.client();
    await subscriber.subscribe('a');
    const payload = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index * 31));

    publisher.publish('a', { payload });
    publisher.publish('a', { payload: '' });

    await subscriber.expectPublish('a', payload.toString('latin1'));
    await subscriber.expectPublish('a', '');
  });
});
