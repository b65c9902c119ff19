import { it } from '@jest/globals';
import { hex } from '../../support/bytes.js';
import { connectBytes311 } from '../../support/connect-bytes-311.js';
import { breakOff } from '../../support/connection-steps.js';
import { publishWhole, receiveWhole } from '../../support/exchanges.js';
import { leave } from '../../support/scenario.js';
import { describeOverTransports } from '../../support/test-broker.js';

const persistent = { clientId: 'c', cleanStart: false };

describeOverTransports('MQTT 3.1.1, 3.1 CONNECT: header and flags', (start) => {
  it.each([
    ['PUBLISH', `30 04 0001'a' "x"`],
    ['SUBSCRIBE', "82 06 0001 0001'a' 00"],
    ['PINGREQ', 'c0 00'],
    ['DISCONNECT', 'e0 00'],
  ])('[MQTT-3.1.0-1] closes when the first packet is %s', async (_what, bytes) => {
    const client = await (await start()).open(4);

    client.send(hex(bytes));

    await client.expectClosed();
  });

  it('[MQTT-3.1.0-2] closes for a second CONNECT', async () => {
    const client = await (await start()).client(4);

    client.sendConnect({ clientId: 'c' });

    await client.expectClosed();
  });

  it.each(["0004'MQTX' 04", "0004'mqtt' 04", '0000 04', "0003'MQT' 04", "0005'MQTT ' 04"])(
    '[MQTT-3.1.2-1] does not go on with the protocol %s',
    async (protocol) => {
      const client = await (await start()).open(4);

      client.send(Buffer.concat([connectBytes311({ protocol }), hex('c000')]));

      await client.expectClosed();
    },
  );

  it.each(['00', '02', '03'])('[MQTT-3.1.2-2] answers return code 1 to level %s and closes', async (level) => {
    const client = await (await start()).open(4);

    client.send(connectBytes311({ protocol: `0004'MQTT' ${level}` }));

    await client.expectHex('20 02 00 01');
    await client.expectClosed();
  });

  it('[MQTT-3.1.2-3] closes when the reserved flag is set', async () => {
    const client = await (await start()).open(4);

    client.send(connectBytes311({ flags: '03' }));

    await client.expectClosed();
  });

  it('[MQTT-3.1.2-4] resumes the session with Clean Session 0, and keeps it when the client is gone', async () => {
    const broker = await start();
    const publisher = await broker.client(4);
    const client = await broker.client(4, persistent);
    await client.subscribe('a', { qos: 1 });
    await breakOff(client);
    broker.clock.advance(10_000);

    const again = await broker.client(4, persistent);
    await publishWhole(publisher, 'a', { payload: 'x', qos: 1 });

    await receiveWhole(again, 'a', 'x', { qos: 1 });
  });

  it('[MQTT-3.1.2-5] queues messages at QoS 1 and 2 for a client that is away', async () => {
    const broker = await start();
    const publisher = await broker.client(4);
    const client = await broker.client(4, persistent);
    await client.subscribe('a', { qos: 2 });
    await leave(client);

    for (const qos of [1, 2] as const) await publishWhole(publisher, 'a', { payload: `${qos}`, qos });

    const again = await broker.client(4, persistent);
    await receiveWhole(again, 'a', '1', { qos: 1, dup: false });
    await receiveWhole(again, 'a', '2', { qos: 2, dup: false });
    await again.expectNothing();
  });

  it('[MQTT-3.1.2-6] discards the session with Clean Session 1 and reuses nothing of it', async () => {
    const broker = await start();
    const publisher = await broker.client(4);
    const client = await broker.client(4, persistent);
    await client.subscribe('a', { qos: 1 });
    await leave(client);
    await publishWhole(publisher, 'a', { payload: 'queued', qos: 1 });

    const clean = await broker.client(4, { clientId: 'c', cleanStart: true });
    await publishWhole(publisher, 'a', { payload: 'live', qos: 1 });
    await clean.expectNothing();
    await clean.subscribe('a', { qos: 1 });
    await leave(clean);
    await publishWhole(publisher, 'a', { payload: 'later', qos: 1 });

    const again = await broker.open(4);
    again.sendConnect(persistent);
    await again.expectHex('20 02 00 00');
    await again.expectNothing();
  });

  it('[MQTT-3.1.2-7] keeps retained messages when a session ends', async () => {
    const broker = await start();
    const publisher = await broker.client(4, { clientId: 'c', cleanStart: true });
    await publishWhole(publisher, 'a', { payload: 'kept', retain: true });
    await leave(publisher);
    await leave(await broker.client(4, { clientId: 'c', cleanStart: true }));

    const client = await broker.client(4);
    await client.subscribe('a');

    await client.expectPublish('a', 'kept', { retain: true });
  });

  it.each([
    ['[MQTT-3.1.2-18] closes for a user name without its flag', '02', "0001'c' 0001'u'"],
    ['[MQTT-3.1.2-19] closes when the user name is missing', '82', "0001'c'"],
    ['[MQTT-3.1.2-20] closes for a password without its flag', '82', "0001'c' 0001'u' 0001'p'"],
    ['[MQTT-3.1.2-21] closes when the password is missing', 'c2', "0001'c' 0001'u'"],
    ['[MQTT-3.1.2-22] closes for a password flag without the user name flag', '42', "0001'c' 0001'p'"],
  ])('%s', async (_title, flags, payload) => {
    const client = await (await start()).open(4);

    client.send(connectBytes311({ flags, payload }));

    await client.expectClosed();
  });
});
