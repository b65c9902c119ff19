import { expect, it } from '@jest/globals';
import { PacketType, type Packet } from '../../../lib/protocol/packets.js';
import { framed, hex } from '../../support/bytes.js';
import {
  describeInMemory,
  packetIdsOf,
  payloadsOf,
  publishOf,
  readAll,
  readPublishes,
  sendTogether,
} from '../../support/scenario.js';
import { describeOverTransports } from '../../support/test-broker.js';

describeOverTransports('2.1.3 Flags', (start) => {
  it.each([
    ['PUBACK 0001', '41 02 0001'],
    ['PUBREC 1000', '58 02 0001'],
    ['PUBREL 0000', '60 02 0001'],
    ['PUBREL 0011', '63 02 0001'],
    ['PUBCOMP 0010', '72 02 0001'],
    ['SUBSCRIBE 0000', '80 07 0001 00 0001 61 00'],
    ['SUBSCRIBE 1010', '8a 07 0001 00 0001 61 00'],
    ['UNSUBSCRIBE 0000', 'a0 06 0001 00 0001 61'],
    ['PINGREQ 0001', 'c1 00'],
    ['DISCONNECT 0100', 'e4 00'],
    ['AUTH 0010', 'f2 00'],
    ['a second CONNECT 0001', '11 00'],
  ])('[MQTT-2.1.3-1] refuses the flags of %s', async (_, bytes) => {
    const client = await (await start()).client();

    client.send(bytes);

    await client.expectDisconnect(0x81);
  });

  it('[MQTT-2.1.3-1] closes without an answer when the first CONNECT has flags', async () => {
    const client = await (await start()).open();

    client.send(hex(framed(0x11, "0004'MQTT' 05 02 0000 00 0003'dev'")));

    await client.expectClosed();
  });

  it('[MQTT-2.1.3-1] sets the prescribed flags in every packet that it sends', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const subscriber = await broker.client();

    subscriber.send('82 07 0001 00 0001 61 02');
    await subscriber.expectHex('90 04 0001 00 02');
    publisher.send('34 06 0001 61 0009 00 62 02 0009 32 06 0001 61 000a 00');
    await publisher.expectHex('50 02 0009');
    await publisher.expectHex('70 02 0009');
    await publisher.expectHex('40 02 000a');
    await subscriber.expectHex('34 06 0001 61 0001 00');
    await subscriber.expectHex('32 06 0001 61 0002 00');
    subscriber.send('50 02 0001 a2 06 0003 00 0001 61 c0 00');
    await subscriber.expectHex('62 02 0001');
    await subscriber.expectHex('b0 04 0003 00 00');
    await subscriber.expectHex('d0 00');
  });
});

describeOverTransports('2.2.1 Packet Identifier', (start) => {
  it('[MQTT-2.2.1-2] reads and sends no packet identifier at QoS 0', async () => {
    const client = await (await start()).client();
    await client.subscribe('a', { qos: 2 });

    client.send('30 06 0001 61 00 0001');

    await client.expectHex('30 06 0001 61 00 0001');
  });

  it.each([
    ['PUBLISH at QoS 1', '32 06 0001 74 0000 00'],
    ['PUBLISH at QoS 2', '34 06 0001 74 0000 00'],
    ['SUBSCRIBE', '82 07 0000 00 0001 61 00'],
    ['UNSUBSCRIBE', 'a2 06 0000 00 0001 61'],
  ])('[MQTT-2.2.1-3] refuses a packet identifier of 0 in %s', async (_, bytes) => {
    const client = await (await start()).client();

    client.send(bytes);

    await client.expectDisconnect(0x82);
  });

  it('[MQTT-2.2.1-4] gives each message a non-zero identifier that is not in use', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const subscriber = await broker.client();
    await subscriber.subscribe('t', { qos: 2 });
    const qos = [1, 2, 1, 2, 1] as const;

    for (const one of qos) publisher.publish('t', { qos: one });
    const packetIds = packetIdsOf(await readPublishes(subscriber, qos.length));

    expect(new Set(packetIds).size).toBe(qos.length);
    expect(packetIds).not.toContain(0);
  });

  it('[MQTT-2.2.1-5] repeats the identifier of a PUBLISH in PUBACK, PUBREC and PUBCOMP', async () => {
    const client = await (await start()).client();

    client.publish('t', { qos: 1, packetId: 0xabcd });
    await client.expect({ type: PacketType.PUBACK, packetId: 0xabcd });
    client.publish('t', { qos: 2, packetId: 0xffff });
    await client.expect({ type: PacketType.PUBREC, packetId: 0xffff });
    client.acknowledge(PacketType.PUBREL, 0xffff);
    await client.expect({ type: PacketType.PUBCOMP, packetId: 0xffff });
  });

  it('[MQTT-2.2.1-5] repeats the identifier of its own PUBLISH in PUBREL', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const subscriber = await broker.client();
    await subscriber.subscribe('t', { qos: 2 });
    for (let count = 0; count < 3; count++) publisher.publish('t', { qos: 2 });
    const packetIds = packetIdsOf(await readPublishes(subscriber, 3));

    for (const packetId of packetIds.toReversed()) {
      subscriber.acknowledge(PacketType.PUBREC, packetId);
      await subscriber.expect({ type: PacketType.PUBREL, packetId, reasonCode: 0 });
    }
  });

  it('[MQTT-2.2.1-6] repeats the identifier of SUBSCRIBE and UNSUBSCRIBE', async () => {
    const client = await (await start()).client();

    client.send('82 07 abcd 00 0001 61 00');
    await client.expectHex('90 04 abcd 00 00');
    client.send('a2 06 ffff 00 0001 61');
    await client.expectHex('b0 04 ffff 00 00');
  });
});

describeInMemory('2.2.1 Packet Identifier after 65,534 others', (start) => {
  it('[MQTT-2.2.1-4] does not come round to an identifier that is still in use', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const subscriber = await broker.client();
    await subscriber.subscribe('t', { qos: 2 });
    // PUBREC without PUBCOMP: this identifier stays in use while all the others are used up.
    publisher.publish('t', { qos: 2 });
    const [held] = packetIdsOf(await readPublishes(subscriber, 1));
    subscriber.acknowledge(PacketType.PUBREC, held);
    await subscriber.expect({ type: PacketType.PUBREL, packetId: held });
    await publisher.next(PacketType.PUBREC);
    for (let left = 65_534; left > 0; left -= 400) {
      const messages = Array.from({ length: Math.min(left, 400) }, (_, index) =>
        publishOf('t', { qos: 1, packetId: index + 2 }),
      );
      sendTogether(publisher, messages);
      await readAll(publisher);
      const packetIds = packetIdsOf(await readAll(subscriber));
      expect(packetIds).not.toContain(held);
      sendTogether(subscriber, packetIds.map(acknowledgementOf));
    }

    publisher.publish('t', { qos: 1, payload: 'one more' });
    await publisher.next(PacketType.PUBACK);
    const before = await readAll(subscriber);
    subscriber.acknowledge(PacketType.PUBCOMP, held);
    const after = await readAll(subscriber);

    expect(packetIdsOf(before)).not.toContain(held);
    expect(payloadsOf([...before, ...after])).toEqual(['one more']);
  });
});

describeOverTransports('2.2.2 Properties', (start) => {
  it('[MQTT-2.2.2-1] sends a property length of 0 when a packet has no properties', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const subscriber = await broker.client();

    subscriber.send('82 07 0001 00 0001 61 01');
    await subscriber.expectHex('90 04 0001 00 01');
    publisher.send('30 05 0001 61 00 78 32 07 0001 61 0001 00 78');
    await subscriber.expectHex('30 05 0001 61 00 78');
    await subscriber.expectHex('32 07 0001 61 0001 00 78');
    subscriber.send('a2 06 0002 00 0001 61');
    await subscriber.expectHex('b0 04 0002 00 00');
  });

  it.each([
    ['PUBLISH', '30 03 0001 74'],
    ['SUBSCRIBE', '82 02 0001'],
    ['UNSUBSCRIBE', 'a2 02 0001'],
  ])('[MQTT-2.2.2-1] refuses a %s that ends before its property length', async (_, bytes) => {
    const client = await (await start()).client();

    client.send(bytes);

    await client.expectDisconnect(0x81);
  });
});

const acknowledgementOf = (packetId: number): Packet => ({ type: PacketType.PUBACK, packetId, reasonCode: 0 });
