import { expect, it } from '@jest/globals';
import { PacketType, type DisconnectPacket } from '../../../lib/protocol/packets.js';
import { collectBytes, connectBytes, expectConnectRefused } from '../../support/connection-steps.js';
import { leave, resume } from '../../support/scenario.js';
import { VerdictAuth } from '../../support/test-auths.js';
import { describeOverTransports, type TestBroker } from '../../support/test-broker.js';
import { connectDev, watchWills, will } from '../../support/will-steps.js';
import type { WireClient } from '../../support/wire-client.js';

/** What a server may send (MQTT 5, table 3-10). */
const listed: readonly number[] = [
  0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
  0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
];

type Fault = (client: WireClient, broker: TestBroker) => unknown;

const faults: readonly (readonly [name: string, fault: Fault])[] = [
  ['a second CONNECT', (client) => client.sendConnect()],
  ['a malformed packet', (client) => client.send('c1 00')],
  ['a packet that only servers send', (client) => client.send('d0 00')],
  ['a wrong filter', (client) => client.send('82 08 0001 00 0002 2361 00')],
  ['a topic alias of 0', (client) => client.publish('t', { properties: { topicAlias: 0 } })],
  ['a keep-alive that passes', (_, broker) => broker.clock.advance(100)],
  ['the end of the broker', (_, broker) => broker.broker.drain()],
  ['a takeover', async (_, broker) => broker.client(5, { clientId: 'dev' })],
];

describeOverTransports('3.14 DISCONNECT', (start) => {
  it.each([
    ['is not a CONNECT', Buffer.from('c000', 'hex')],
    ['is malformed before its version is known', Buffer.from('1003000400', 'hex')],
  ])('[MQTT-3.14.0-1] is not sent when the first packet %s', async (_, bytes) => {
    const client = await (await start()).open();

    client.send(bytes);

    await client.expectClosed();
  });

  it.each([
    ['malformed', 0x81, connectBytes({ flags: '03' })],
    ['refused', 0x87, connectBytes()],
  ])('[MQTT-3.14.0-1] is not sent when the CONNECT is %s', async (_, reasonCode, bytes) => {
    const client = await (await start({ auth: new VerdictAuth('dev', 0x87) })).open();

    client.send(bytes);

    await expectConnectRefused(client, reasonCode);
  });

  it('[MQTT-3.14.0-1] is not sent when the broker ends before the CONNECT', async () => {
    const broker = await start();
    const client = await broker.open();
    // The other connection is the barrier: the broker knows both.
    await broker.client();

    const drained = broker.broker.drain();

    await client.expectClosed();
    await drained;
  });

  it.each(['e1', 'e2', 'e4', 'e8'])('[MQTT-3.14.1-1] with the first byte %s is malformed', async (first) => {
    const client = await (await start()).client();

    client.send(`${first} 00`);

    await client.expectDisconnect(0x81);
  });

  it.each(['01', '05', '7f', '84', '86', '8a', '8c', 'a3', 'ff'])(
    '[MQTT-3.14.2-1] with the reason code %s, which it does not have, is refused',
    async (code) => {
      const client = await (await start()).client();

      client.send(`e0 01 ${code}`);

      const { reasonCode } = (await client.next(PacketType.DISCONNECT)) as DisconnectPacket;
      expect([0x81, 0x82]).toContain(reasonCode);
      await client.expectClosed();
    },
  );

  it.each(faults)('[MQTT-3.14.2-1] [MQTT-3.14.2-2] tells one of the listed reasons at %s', async (_, fault) => {
    const broker = await start({ limits: { maximumSessionExpiry: 5 } });
    const client = await broker.client(5, {
      clientId: 'dev',
      keepAlive: 10,
      properties: { sessionExpiryInterval: 100 },
    });

    const done = fault(client, broker);

    const { reasonCode, properties } = (await client.next(PacketType.DISCONNECT)) as DisconnectPacket;
    expect(listed).toContain(reasonCode);
    expect(properties?.sessionExpiryInterval).toBeUndefined();
    await client.expectClosed();
    await done;
  });

  it.each(faults)('[MQTT-3.14.2-3] [MQTT-3.14.2-4] stays below Maximum Packet Size at %s', async (_, fault) => {
    const broker = await start();
    const properties = { maximumPacketSize: 18 };
    const client = await broker.client(5, { clientId: 'dev', keepAlive: 10, properties });
    const received = collectBytes(client);

    const done = fault(client, broker);

    await client.expect({ type: PacketType.DISCONNECT });
    expect(received().length).toBeLessThanOrEqual(18);
    await client.expectClosed();
    await done;
  });

  it.each(faults)('[MQTT-3.14.4-1] [MQTT-3.14.4-2] is the last packet, and the end, at %s', async (_, fault) => {
    const broker = await start();
    const client = await broker.client(5, { clientId: 'dev', keepAlive: 10 });
    await client.subscribe('t', { qos: 1 });
    const publisher = await broker.client();

    const done = fault(client, broker);
    publisher.publish('t', { qos: 1 });

    while ((await client.next()).type !== PacketType.DISCONNECT);
    await client.expectClosed();
    await done;
  });

  it('[MQTT-3.14.4-1] ends what the broker hears from the client', async () => {
    const broker = await start();
    const watcher = await broker.client();
    await watcher.subscribe('#');
    const client = await broker.client();

    client.send('e0 00 30 04 0001 74 00 c0 00');

    await client.expectClosed();
    await watcher.expectNothing();
  });

  it.each(['e0 00', 'e0 01 00', 'e0 02 00 00', 'e0 01 04', 'e0 01 98'])(
    '[MQTT-3.14.4-2] ends the connection without an answer: %s',
    async (bytes) => {
      const client = await (await start()).client();

      client.send(bytes);

      await client.expectClosed();
    },
  );

  it.each(['e0 00', 'e0 01 00', 'e0 02 00 00'])('[MQTT-3.14.4-3] discards the will: %s', async (bytes) => {
    const broker = await start();
    const watcher = await watchWills(broker);
    const client = await connectDev(broker, { will: will() });

    client.send(bytes);
    await client.expectClosed();
    broker.clock.advance(200);

    await watcher.expectNothing();
  });
});

describeOverTransports('3.14.2.2.2 Session Expiry Interval', (start) => {
  it('[MQTT-4.1.0-2] replaces the one of CONNECT', async () => {
    const broker = await start();
    const client = await resume(broker, 'dev', { sessionExpiryInterval: 10 });
    client.disconnect(0, { sessionExpiryInterval: 100 });
    await client.expectClosed();
    broker.clock.advance(50);

    const second = await broker.open();
    expect((await second.connect({ clientId: 'dev', cleanStart: false })).sessionPresent).toBe(true);
  });

  it('[MQTT-4.1.0-2] ends the session with the connection when it is 0', async () => {
    const broker = await start();
    const client = await resume(broker, 'dev');
    client.disconnect(0, { sessionExpiryInterval: 0 });
    await client.expectClosed();

    const second = await broker.open();

    expect((await second.connect({ clientId: 'dev', cleanStart: false })).sessionPresent).toBe(false);
  });

  it('[MQTT-4.13.1-1] may not be set when it was 0', async () => {
    const broker = await start();
    const client = await broker.client(5, { clientId: 'dev' });

    client.disconnect(0, { sessionExpiryInterval: 10 });

    await client.expectDisconnect(0x82);
  });

  it('[MQTT-4.1.0-2] stays as it was when DISCONNECT has none', async () => {
    const broker = await start();
    await leave(await resume(broker, 'dev', { sessionExpiryInterval: 10 }));

    broker.clock.advance(9);
    const second = await broker.open();
    const { sessionPresent } = await second.connect({ clientId: 'dev', cleanStart: false });

    expect(sessionPresent).toBe(true);
  });
});
