import { expect, it } from '@jest/globals';
import { PacketType } from '../../../lib/protocol/packets.js';
import { hex } from '../../support/bytes.js';
import { breakOff } from '../../support/connection-steps.js';
import { publishWhole, receiveWhole } from '../../support/exchanges.js';
import { leave } from '../../support/scenario.js';
import { describeAlsoInRedis } from '../../support/test-broker.js';

const { PUBREC, PUBREL, PUBCOMP } = PacketType;
const session = { clientId: 'c', cleanStart: false };

describeAlsoInRedis('MQTT 3.1.1, 4.1 Storing state', (start) => {
  it('[MQTT-4.1.0-1] keeps subscriptions, queue and both sides of QoS 2 as long as the session lasts', async () => {
    const broker = await start();
    const other = await broker.client(4);
    await other.subscribe('out', { qos: 2 });
    const client = await broker.client(4, session);
    await client.subscribe('in', { qos: 2 });
    client.publish('out', { qos: 2, packetId: 5, payload: 'mine' });
    await client.expect({ type: PUBREC, packetId: 5 });
    await receiveWhole(other, 'out', 'mine');
    await publishWhole(other, 'in', { qos: 2, payload: 'released' });
    const { packetId } = await client.expectPublish('in', 'released');
    client.acknowledge(PUBREC, packetId);
    await client.expect({ type: PUBREL, packetId });
    await breakOff(client);
    await publishWhole(other, 'in', { qos: 1, payload: 'queued' });
    broker.clock.advance(10_000);

    const again = await broker.open(4);
    again.sendConnect(session);

    await again.expectHex('20 02 01 00');
    await again.expect({ type: PUBREL, packetId });
    await receiveWhole(again, 'in', 'queued', { qos: 1 });
    again.acknowledge(PUBCOMP, packetId);
    again.publish('out', { qos: 2, packetId: 5, payload: 'mine', dup: true });
    await again.expect({ type: PUBREC, packetId: 5 });
    again.acknowledge(PUBREL, 5);
    await again.expect({ type: PUBCOMP, packetId: 5 });
    await publishWhole(other, 'in', { payload: 'live' });
    await again.expectPublish('in', 'live');
    await other.expectNothing();
  });

  it('[MQTT-4.1.0-2] keeps a session at least as long as its connection', async () => {
    const broker = await start();
    const client = await broker.client(4, { clientId: 'c', cleanStart: true });
    await client.subscribe('a', { qos: 1 });

    broker.clock.advance(10_000);
    await publishWhole(await broker.client(4), 'a', { payload: 'x', qos: 1 });

    await receiveWhole(client, 'a', 'x', { qos: 1 });
  });

  it('[MQTT-4.1.0-1] gives nothing of a session to another client', async () => {
    const broker = await start();
    const client = await broker.client(4, session);
    await client.subscribe('a', { qos: 1 });
    await leave(client);
    await publishWhole(await broker.client(4), 'a', { payload: 'x', qos: 1 });

    const other = await broker.client(4, { clientId: 'd', cleanStart: false });

    await other.expectNothing();
  });

  it('[MQTT-4.2.0-1] [MQTT-7.1.1-1] serves over an ordered, lossless stream of bytes', async () => {
    const broker = await start();
    const client = await broker.open(4);
    const bytes = hex(`10 0d 0004'MQTT' 04 02 0000 0001'c' 82 06 0001 0001'a' 00`);
    for (const byte of bytes) client.send(Buffer.of(byte));
    await client.expectHex('20 02 00 00');
    await client.expectHex('90 03 0001 00');
    const payload = Array.from({ length: 100_000 }, (_, index) => `${index}`).join();

    client.publish('a', { payload });

    const { payload: received } = (await client.expect({ type: PacketType.PUBLISH })) as { payload?: Buffer };
    expect(received?.toString()).toBe(payload);
  });
});
