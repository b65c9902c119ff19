import { expect, it } from '@jest/globals';
import { PacketType, type PublishPacket } from '../../../lib/protocol/packets.js';
import { hex } from '../../support/bytes.js';
import { publishWhole, receiveWhole } from '../../support/exchanges.js';
import { leave, packetIdsOf } from '../../support/scenario.js';
import { describeAlsoInRedis } from '../../support/test-broker.js';

const { PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;
const session = { clientId: 'c', cleanStart: false };

describeAlsoInRedis('MQTT 3.1.1, 4.3 Quality of service', (start) => {
  it('[MQTT-4.3.1-1] sends at QoS 0 with QoS 0 and DUP 0, once', async () => {
    const broker = await start();
    const client = await broker.client(4, session);
    await client.subscribe('a', { qos: 0 });
    await publishWhole(await broker.client(4), 'a', { payload: 'x', qos: 1 });
    await client.expectHex('30 04 0001 61 78');
    await leave(client);

    await (await broker.client(4, session)).expectNothing();
  });

  it('[MQTT-4.3.2-1] sends at QoS 1 with DUP 0 and keeps the message until PUBACK', async () => {
    const broker = await start();
    const client = await broker.client(4, session);
    await client.subscribe('a', { qos: 1 });
    const publisher = await broker.client(4);
    for (const payload of ['1', '2']) await publishWhole(publisher, 'a', { payload, qos: 1 });
    const first = await client.expectPublish('a', '1', { qos: 1, dup: false });
    const second = await client.expectPublish('a', '2', { qos: 1, dup: false });
    client.acknowledge(PUBACK, first.packetId);
    await client.expectNothing();
    await leave(client);

    const again = await broker.client(4, session);

    await again.expectPublish('a', '2', { qos: 1, dup: true, packetId: second.packetId });
    again.acknowledge(PUBACK, second.packetId);
    await again.expectNothing();
    await leave(again);
    await (await broker.client(4, session)).expectNothing();
  });

  it('[MQTT-4.3.2-2] answers PUBACK at QoS 1 and takes the identifier as new from then on, whatever DUP says', async () => {
    const broker = await start();
    const other = await broker.client(4);
    await other.subscribe('a', { qos: 1 });
    const client = await broker.client(4);

    client.send(hex(`32 06 0001'a' 0007 "x"`));
    await client.expectHex('40 02 0007');
    client.send(hex(`3a 06 0001'a' 0007 "y"`));
    await client.expectHex('40 02 0007');

    await receiveWhole(other, 'a', 'x');
    await receiveWhole(other, 'a', 'y');
    await other.expectNothing();
  });

  it('[MQTT-4.3.3-1] sends at QoS 2 PUBLISH, then PUBREL for PUBREC, and never PUBLISH again', async () => {
    const broker = await start();
    const client = await broker.client(4, session);
    await client.subscribe('a', { qos: 2 });
    await publishWhole(await broker.client(4), 'a', { payload: 'x', qos: 2 });
    const { packetId } = await client.expectPublish('a', 'x', { qos: 2, dup: false });
    client.acknowledge(PUBREC, packetId);
    await client.expect({ type: PUBREL, packetId });
    client.acknowledge(PUBREC, packetId);
    await client.expect({ type: PUBREL, packetId });
    await leave(client);

    const again = await broker.client(4, session);

    await again.expect({ type: PUBREL, packetId });
    await again.expectNothing();
    again.acknowledge(PUBCOMP, packetId);
    await leave(again);
    await (await broker.client(4, session)).expectNothing();
  });

  it('[MQTT-4.3.3-2] receives at QoS 2 once before PUBREL, on later connections too', async () => {
    const broker = await start();
    const other = await broker.client(4);
    await other.subscribe('a', { qos: 2 });
    const client = await broker.client(4, session);

    client.send(hex(`34 06 0001'a' 0007 "x"`)).send(hex(`3c 06 0001'a' 0007 "x"`));
    await client.expectHex('50 02 0007');
    await client.expectHex('50 02 0007');
    await leave(client);
    const again = await broker.client(4, session);
    again.send(hex(`3c 06 0001'a' 0007 "x"`));
    await again.expectHex('50 02 0007');
    await receiveWhole(other, 'a', 'x');
    await other.expectNothing();

    again.send('62 02 0007');
    await again.expectHex('70 02 0007');
    again.send(hex(`34 06 0001'a' 0007 "y"`));
    await again.expectHex('50 02 0007');
    await receiveWhole(other, 'a', 'y');
  });

  it('[MQTT-4.4.0-1] sends again what is not acknowledged, in order and with its identifiers, on reconnect only', async () => {
    const broker = await start();
    const client = await broker.client(4, session);
    const publisher = await broker.client(4);
    await client.subscribe('a', { qos: 2 });
    for (const qos of [1, 2, 2, 1] as const) await publishWhole(publisher, 'a', { payload: `${qos}`, qos });
    const ids = [];
    for (const payload of ['1', '2', '2', '1']) ids.push((await client.expectPublish('a', payload)).packetId);
    client.acknowledge(PUBREC, ids[1]);
    await client.expect({ type: PUBREL, packetId: ids[1] });
    broker.clock.advance(10_000);
    await client.expectNothing();
    await leave(client);

    const again = await broker.client(4, session);

    // Relative to each other PUBRELs and PUBLISHes may come in any order: 4.6 orders each kind.
    await again.settled();
    const resent = [];
    for (let count = 0; count < 4; count++) resent.push(await again.next());
    const published = resent.filter(({ type }) => type === PacketType.PUBLISH);
    const released = resent.filter(({ type }) => type === PUBREL);
    expect(packetIdsOf(published)).toEqual([ids[0], ids[2], ids[3]]);
    expect(published.map((packet) => (packet as PublishPacket).dup)).toEqual([true, true, true]);
    expect(packetIdsOf(released)).toEqual([ids[1]]);
    await again.expectNothing();
  });
});
