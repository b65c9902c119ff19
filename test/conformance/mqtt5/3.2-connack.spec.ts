import { expect, it } from '@jest/globals';
import { PacketType, type ConnackPacket } from '../../../lib/protocol/packets.js';
import { breakOff, collectBytes, expectConnectRefused } from '../../support/connection-steps.js';
import { resume } from '../../support/scenario.js';
import { VerdictAuth } from '../../support/test-auths.js';
import { describeOverTransports } from '../../support/test-broker.js';

/** MQTT 5, table 3-1. */
const listed = [
  0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99, 0x9a, 0x9b, 0x9c,
  0x9d, 0x9f,
];

describeOverTransports('3.2 CONNACK', (start) => {
  it('[MQTT-3.2.0-1] comes before the messages that wait for the client', async () => {
    const broker = await start();
    const client = await resume(broker, 'dev');
    await client.subscribe('t', { qos: 1 });
    await breakOff(client);
    const publisher = await broker.client();
    publisher.publish('t', { qos: 1, payload: 'waits' });
    await publisher.settled();

    const back = await broker.open();
    back.sendConnect({ clientId: 'dev', cleanStart: false });

    await back.expect({ type: PacketType.CONNACK, reasonCode: 0, sessionPresent: true });
    await back.expectPublish('t', 'waits');
  });

  it('[MQTT-3.2.0-1] comes before messages that are published in the same moment', async () => {
    const broker = await start();
    const client = await resume(broker, 'dev');
    await client.subscribe('t');
    const publisher = await broker.client();
    const back = await broker.open();

    for (let count = 0; count < 50; count++) publisher.publish('t');
    back.sendConnect({ clientId: 'dev', cleanStart: false });
    for (let count = 0; count < 50; count++) publisher.publish('t');

    await back.expect({ type: PacketType.CONNACK, reasonCode: 0, sessionPresent: true });
  });

  it('[MQTT-3.2.0-2] is sent once on a connection', async () => {
    const client = await (await start()).client();

    client.sendConnect();

    await client.expect({ type: PacketType.DISCONNECT });
    await client.expectClosed();
  });

  it.each([
    ['accepts', 'anybody'],
    ['refuses', 'dev'],
  ])('[MQTT-3.2.2-1] has no reserved flag when the broker %s', async (_, clientId) => {
    const client = await (await start({ auth: new VerdictAuth('dev', false) })).open();
    const received = collectBytes(client);

    await client.connect({ clientId });

    expect(received()[0]).toBe(0x20);
    expect(received()[2]).toBe(0);
  });

  it('[MQTT-3.2.2-1] has no reserved flag beside Session Present', async () => {
    const broker = await start();
    await breakOff(await resume(broker, 'dev'));
    const client = await broker.open();
    const received = collectBytes(client);

    await client.connect({ clientId: 'dev', cleanStart: false });

    expect(received()[2]).toBe(1);
  });
});

describeOverTransports('3.2.2.1.1 Session Present', (start) => {
  it('[MQTT-3.2.2-2] is 0 at Clean Start 1', async () => {
    const broker = await start();
    await breakOff(await resume(broker, 'dev'));
    const client = await broker.open();

    const connack = await client.connect({ clientId: 'dev', cleanStart: true });

    expect(connack).toMatchObject({ sessionPresent: false, reasonCode: 0 });
  });

  it('[MQTT-3.2.2-3] is 0 at Clean Start 0 without a session, and 1 with one', async () => {
    const broker = await start();
    const [first, second] = [await broker.open(), await broker.open()];
    const options = { clientId: 'dev', cleanStart: false, properties: { sessionExpiryInterval: 10 } };

    const before = await first.connect(options);
    await breakOff(first);
    const after = await second.connect(options);

    expect(before).toMatchObject({ sessionPresent: false, reasonCode: 0 });
    expect(after).toMatchObject({ sessionPresent: true, reasonCode: 0 });
  });

  it('[MQTT-3.2.2-6] is 0 when the client is refused, although it has a session', async () => {
    let isAllowed = true;
    const auth = new VerdictAuth('dev', () => isAllowed);
    const broker = await start({ auth });
    await breakOff(await resume(broker, 'dev'));
    isAllowed = false;

    const client = await broker.open();
    client.sendConnect({ clientId: 'dev', cleanStart: false });

    await expectConnectRefused(client, 0x86);
  });
});

describeOverTransports('3.2.2.2 Connect Reason Code', (start) => {
  it.each(listed)(
    '[MQTT-3.2.2-7] [MQTT-3.2.2-8] is sent as the login decided it (%i), then it closes',
    async (code) => {
      const client = await (await start({ auth: new VerdictAuth('dev', code) })).open();

      client.sendConnect({ clientId: 'dev' });

      await expectConnectRefused(client, code);
    },
  );

  it.each([0x01, 0x10, 0x7f, 0x8b, 0x8e, 0x8f, 0x92, 0xa2, 0xff])(
    '[MQTT-3.2.2-8] is one of the list when the login decides on %i',
    async (code) => {
      const client = await (await start({ auth: new VerdictAuth('dev', code) })).open();

      client.sendConnect({ clientId: 'dev' });

      const { reasonCode } = (await client.next(PacketType.CONNACK)) as ConnackPacket;
      expect(listed).toContain(reasonCode);
      await client.expectClosed();
    },
  );

  it.each([0x9c, 0x9d])('[MQTT-3.2.2-7] names the server to use instead when it is %i', async (code) => {
    const capabilities = { serverReference: 'other:1883' };
    const client = await (await start({ auth: new VerdictAuth('dev', code), capabilities })).open();

    const connack = await client.connect({ clientId: 'dev' });

    expect(connack).toMatchObject({ reasonCode: code, properties: { serverReference: 'other:1883' } });
    await client.expectClosed();
  });
});
