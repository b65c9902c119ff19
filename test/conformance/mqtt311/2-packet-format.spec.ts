import { expect, it } from '@jest/globals';
import { PacketType, type PublishPacket } from '../../../lib/protocol/packets.js';
import { framed, hex } from '../../support/bytes.js';
import { breakOff } from '../../support/connection-steps.js';
import { publishWhole } from '../../support/exchanges.js';
import { readPublishes } from '../../support/scenario.js';
import { describeOverTransports } from '../../support/test-broker.js';

const { PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;

describeOverTransports('MQTT 3.1.1, 2 Packet format', (start) => {
  it('[MQTT-2.2.2-1] [MQTT-2.3.1-6] [MQTT-2.3.1-7] answers with the listed flags and the same identifier', async () => {
    const client = await (await start()).open(4);

    client.send(hex("10 0d 0004'MQTT' 04 02 0000 0001'c'"));
    await client.expectHex('20 02 00 00');
    client.send(hex("82 06 0a0b 0001'a' 02"));
    await client.expectHex('90 03 0a0b 02');
    client.send(hex(`32 06 0001'b' 0c0d "x"`));
    await client.expectHex('40 02 0c0d');
    client.send(hex(`34 06 0001'b' 0e0f "x"`));
    await client.expectHex('50 02 0e0f');
    client.send(hex('62 02 0e0f'));
    await client.expectHex('70 02 0e0f');
    client.send(hex("a2 05 1011 0001'z'"));
    await client.expectHex('b0 02 1011');
    client.send(hex('c0 00'));
    await client.expectHex('d0 00');
  });

  it('[MQTT-2.2.2-1] [MQTT-2.3.1-6] sends PUBREL with 0010 and the identifier of the PUBREC', async () => {
    const broker = await start();
    const client = await broker.client(4);
    await client.subscribe('a', { qos: 2 });
    await publishWhole(await broker.client(4), 'a', { payload: 'x', qos: 2 });
    const { packetId } = await client.expectPublish('a', 'x', { qos: 2 });
    const identifier = packetId.toString(16).padStart(4, '0');

    client.send(hex(`50 02 ${identifier}`));

    await client.expectHex(`62 02 ${identifier}`);
  });

  it.each([
    ['CONNACK', '20 02 0000'],
    ['PUBACK with flags', '41 02 0001'],
    ['PUBREC with flags', '58 02 0001'],
    ['PUBREL with 0000', '60 02 0001'],
    ['PUBCOMP with flags', '72 02 0001'],
    ['SUBSCRIBE with 0000', "80 06 0001 0001'a' 00"],
    ['SUBACK', '90 03 0001 00'],
    ['UNSUBSCRIBE with 0000', "a0 05 0001 0001'a'"],
    ['UNSUBACK', 'b0 02 0001'],
    ['PINGREQ with flags', 'c4 00'],
    ['PINGRESP', 'd0 00'],
    ['DISCONNECT with flags', 'e1 00'],
    ['type 0', '00 00'],
    ['type 15', 'f0 00'],
  ])('[MQTT-2.2.2-2] closes for %s', async (_what, bytes) => {
    const client = await (await start()).client(4);

    client.send(hex(bytes));

    await client.expectClosed();
  });

  it('[MQTT-2.2.2-2] closes for a CONNECT with flags', async () => {
    const client = await (await start()).open(4);

    client.send(hex("11 0d 0004'MQTT' 04 02 0000 0001'c'"));

    await client.expectClosed();
  });

  it.each([
    ['SUBSCRIBE', framed(0x82, "0000 0001'a' 00")],
    ['UNSUBSCRIBE', framed(0xa2, "0000 0001'a'")],
    ['PUBLISH at QoS 1', framed(0x32, "0001'a' 0000")],
    ['PUBLISH at QoS 2', framed(0x34, "0001'a' 0000")],
  ])('[MQTT-2.3.1-1] closes for a %s with the identifier 0', async (_what, bytes) => {
    const client = await (await start()).client(4);

    client.send(hex(bytes));

    await client.expectClosed();
  });

  it('[MQTT-2.3.1-4] gives each PUBLISH at QoS 1 and 2 an identifier that is not in use', async () => {
    const broker = await start();
    const client = await broker.client(4);
    const publisher = await broker.client(4);
    await client.subscribe('a', { qos: 2 });

    for (let count = 0; count < 10; count++) await publishWhole(publisher, 'a', { qos: count % 2 === 0 ? 1 : 2 });

    const inUse = (await readPublishes(client, 10)).map(({ packetId }) => packetId);
    expect(new Set(inUse).size).toBe(10);
    expect(inUse).not.toContain(0);
  });

  it('[MQTT-2.3.1-4] keeps an identifier while PUBCOMP is missing, and on a resend', async () => {
    const broker = await start();
    const session = { clientId: 'c', cleanStart: false };
    const client = await broker.client(4, session);
    const publisher = await broker.client(4);
    await client.subscribe('a', { qos: 2 });
    await publishWhole(publisher, 'a', { payload: 'one', qos: 2 });
    await publishWhole(publisher, 'a', { payload: 'two', qos: 1 });
    const one = await client.expectPublish('a', 'one');
    const two = await client.expectPublish('a', 'two');
    client.acknowledge(PUBREC, one.packetId);
    await client.expect({ type: PUBREL, packetId: one.packetId });
    await breakOff(client);

    const again = await broker.client(4, session);
    await publishWhole(publisher, 'a', { payload: 'three', qos: 1 });

    await again.expect({ type: PUBREL, packetId: one.packetId });
    await again.expect({ type: PUBLISH, payload: 'two', packetId: two.packetId });
    const three = (await again.expect({ type: PUBLISH, payload: 'three' })) as PublishPacket;
    expect([one.packetId, two.packetId]).not.toContain(three.packetId);
    again.acknowledge(PUBCOMP, one.packetId).acknowledge(PUBACK, two.packetId).acknowledge(PUBACK, three.packetId);
    await again.expectNothing();
  });

  it('[MQTT-2.3.1-5] sends a PUBLISH at QoS 0 without an identifier, whatever it came with', async () => {
    const broker = await start();
    const client = await broker.client(4);
    const publisher = await broker.client(4);
    await client.subscribe('a');

    for (const qos of [0, 1, 2] as const) await publishWhole(publisher, 'a', { payload: `${qos}`, qos });

    await client.expectHex('30 04 0001 61 30');
    await client.expectHex('30 04 0001 61 31');
    await client.expectHex('30 04 0001 61 32');
  });
});
