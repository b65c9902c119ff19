import { expect, it } from '@jest/globals';
import { PacketType } from '../../../lib/protocol/packets.js';
import { framed, hex } from '../../support/bytes.js';
import { breakOff, collectBytes, connectBytes, expectConnectRefused } from '../../support/connection-steps.js';
import { GuardedAuth } from '../../support/guarded-auth.js';
import { resume } from '../../support/scenario.js';
import { VerdictAuth } from '../../support/test-auths.js';
import { describeOverTransports } from '../../support/test-broker.js';

describeOverTransports('3.1 CONNECT', (start) => {
  it.each([
    ['PUBLISH', '30 04 0001 74 00'],
    ['SUBSCRIBE', '82 07 0001 00 0001 61 00'],
    ['PINGREQ', 'c0 00'],
    ['DISCONNECT', 'e0 00'],
    ['AUTH', 'f0 00'],
    ['CONNACK', '20 03 00 00 00'],
  ])('[MQTT-3.1.0-1] closes a connection whose first packet is %s', async (_, bytes) => {
    const client = await (await start()).open();

    client.send(bytes);

    await client.expectClosed();
  });

  it('[MQTT-3.1.0-2] closes at a second CONNECT', async () => {
    const client = await (await start()).client();

    client.sendConnect();

    await client.expectDisconnect(0x82);
  });

  it('[MQTT-3.1.0-2] closes at a second CONNECT that comes while the first is still decided', async () => {
    let decide!: (verdict: boolean) => void;
    const verdict = new Promise<boolean>((resolve) => (decide = resolve));
    const broker = await start({ auth: new VerdictAuth('dev', verdict) });
    const client = await broker.open();
    const received = collectBytes(client);

    client.sendConnect({ clientId: 'dev' }).sendConnect({ clientId: 'dev' });
    await broker.client();
    expect(received()).toHaveLength(0);
    decide(true);

    await client.expect({ type: PacketType.CONNACK, reasonCode: 0 });
    await client.expectDisconnect(0x82);
  });
});

describeOverTransports('3.1.2 CONNECT Variable Header', (start) => {
  it.each(["0004'mqtt'", "0004'HTTP'", "0005'MQTT5'", "0000''", "0006'MQIsdp'"])(
    '[MQTT-3.1.2-1] closes when the protocol name is %s',
    async (name) => {
      const client = await (await start()).open();
      const received = collectBytes(client);

      client.send(hex(framed(0x10, `${name} 05 02 0000 00 0003'dev'`)));
      await client.next().catch(() => undefined);

      await client.expectClosed();
      expect(['', '2003008400']).toContain(received().toString('hex'));
    },
  );

  it.each(['06', '7f', 'ff'])('[MQTT-3.1.2-2] answers protocol version %s with 0x84 and closes', async (version) => {
    const client = await (await start()).open();

    client.send(hex(framed(0x10, `0004'MQTT' ${version} 02 0000 00 0003'dev'`)));

    await expectConnectRefused(client, 0x84);
  });

  it.each(['00', '01', '02', '03'])('[MQTT-3.1.2-2] closes at protocol version %s of MQTT', async (version) => {
    const client = await (await start()).open(4);

    client.send(hex(framed(0x10, `0004'MQTT' ${version} 02 0000 0003'dev'`)));

    await client.expectHex('20 02 00 01');
    await client.expectClosed();
  });

  it.each([
    ['[MQTT-3.1.2-3] refuses the reserved flag', '03', "0003'dev'"],
    ['[MQTT-3.1.2-9] refuses a will flag without will properties', '06', "0003'dev'"],
    ['[MQTT-3.1.2-9] refuses a will flag without a will topic', '06', "0003'dev' 00"],
    ['[MQTT-3.1.2-9] refuses a will flag without a will payload', '06', "0003'dev' 00 0001't'"],
    ['[MQTT-3.1.2-11] refuses a will QoS 1 without a will', '0a', "0003'dev'"],
    ['[MQTT-3.1.2-11] refuses a will QoS 2 without a will', '12', "0003'dev'"],
    ['[MQTT-3.1.2-12] refuses a will QoS 3', '1e', "0003'dev' 00 0001't' 0000"],
    ['[MQTT-3.1.2-13] refuses will retain without a will', '22', "0003'dev'"],
    ['[MQTT-3.1.2-16] refuses a user name without its flag', '02', "0003'dev' 0003'ann'"],
    ['[MQTT-3.1.2-17] refuses a missing user name', '82', "0003'dev'"],
    ['[MQTT-3.1.2-18] refuses a password without its flag', '82', "0003'dev' 0003'ann' 0002'pw'"],
    ['[MQTT-3.1.2-19] refuses a missing password', 'c2', "0003'dev' 0003'ann'"],
  ])('%s', async (_, flags, payload) => {
    const client = await (await start()).open();

    client.send(connectBytes({ flags, payload }));

    await expectConnectRefused(client, 0x81);
  });

  it('[MQTT-3.1.2-19] accepts a password without a user name', async () => {
    const client = await (await start()).open();

    client.send(connectBytes({ flags: '42', payload: "0003'dev' 0002'pw'" }));

    await client.expect({ type: PacketType.CONNACK, reasonCode: 0 });
  });
});

describeOverTransports('3.1.4 CONNECT Actions', (start) => {
  it.each([
    ['a client identifier that is cut off', { payload: "0005'dev'" }],
    ['bytes behind the payload', { payload: "0003'dev' 00" }],
    ['a property that does not exist', { properties: '04 00' }],
  ])('[MQTT-3.1.4-1] refuses %s', async (_, parts) => {
    const client = await (await start()).open();

    client.send(connectBytes(parts));

    await expectConnectRefused(client, 0x81);
  });

  it.each([
    ['a property of another packet', '23 0001'],
    ['a property that stands twice', '11 00000001 11 00000001'],
    ['a Receive Maximum of 0', '21 0000'],
    ['a Maximum Packet Size of 0', '27 00000000'],
    ['a Request Problem Information of 2', '17 02'],
    ['Authentication Data without a method', '16 0001 00'],
  ])('[MQTT-3.1.4-1] refuses %s', async (_, properties) => {
    const client = await (await start()).open();

    client.send(connectBytes({ properties }));

    await expectConnectRefused(client, 0x82);
  });

  it.each([
    ['at once', false],
    ['later', Promise.resolve(false)],
  ])('[MQTT-3.1.4-2] refuses a login that is not allowed, decided %s', async (_, verdict) => {
    const client = await (await start({ auth: new VerdictAuth('dev', verdict) })).open();

    client.sendConnect({ clientId: 'dev' });

    await expectConnectRefused(client, 0x86);
  });

  it('[MQTT-3.1.4-2] refuses a login whose decision fails, and tells no details', async () => {
    const verdict = Promise.reject(new Error('the database is away'));
    verdict.catch(() => undefined);
    const client = await (await start({ auth: new VerdictAuth('dev', verdict) })).open();
    const received = collectBytes(client);

    client.sendConnect({ clientId: 'dev' });

    await expectConnectRefused(client, 0x80);
    expect(received().toString()).not.toContain('database');
  });

  it('[MQTT-3.1.4-3] sends the connection away that has the same client identifier', async () => {
    const broker = await start();
    const old = await broker.client(5, { clientId: 'dev' });
    const other = await broker.client(5, { clientId: 'DEV' });

    const young = await broker.client(5, { clientId: 'dev' });

    await old.expectDisconnect(0x8e);
    await young.expectNothing();
    await other.expectNothing();
  });

  it('[MQTT-3.1.4-3] keeps the old connection when the new one is not allowed in', async () => {
    const broker = await start({ auth: new GuardedAuth() });
    const old = await broker.client(5, { clientId: 'dev' });
    const young = await broker.open();

    young.sendConnect({ clientId: 'dev', username: 'barred' });
    await expectConnectRefused(young, 0x86);

    await old.expectNothing();
  });

  it('[MQTT-3.1.4-4] throws a session away at Clean Start 1 and resumes it at 0', async () => {
    const broker = await start();
    const first = await resume(broker, 'dev');
    await first.subscribe('t');
    await breakOff(first);

    const second = await broker.open();
    const connack = await second.connect({
      clientId: 'dev',
      cleanStart: false,
      properties: { sessionExpiryInterval: 3600 },
    });
    expect(connack.sessionPresent).toBe(true);
    second.publish('t', { payload: 'still subscribed' });
    await second.expectPublish('t', 'still subscribed');
    await breakOff(second);

    const third = await broker.open();
    expect((await third.connect({ clientId: 'dev' })).sessionPresent).toBe(false);
    third.publish('t');
    await third.expectNothing();
  });

  it('[MQTT-3.1.4-5] accepts a CONNECT with CONNACK 0x00', async () => {
    const client = await (await start()).open();

    client.send(connectBytes());

    await client.expect({ type: PacketType.CONNACK, sessionPresent: false, reasonCode: 0 });
  });

  it('[MQTT-3.1.4-5] handles what was sent behind the CONNECT without waiting for the CONNACK', async () => {
    const client = await (await start({ auth: new VerdictAuth('dev', Promise.resolve(true)) })).open();

    client.send(Buffer.concat([connectBytes(), hex("82 07 0001 00 0001't' 00 30 06 0001't' 00 6869")]));

    await client.expect({ type: PacketType.CONNACK, reasonCode: 0 });
    await client.expectHex('90 04 0001 00 00');
    await client.expectHex('30 06 0001 74 00 6869');
  });

  it.each([
    ['at once', false],
    ['later', Promise.resolve(false)],
  ])('[MQTT-3.1.4-6] processes nothing behind a CONNECT that is refused %s', async (_, verdict) => {
    const broker = await start({ auth: new VerdictAuth('dev', verdict) });
    const watcher = await broker.client();
    await watcher.subscribe('#');
    const client = await broker.open();

    client.send(Buffer.concat([connectBytes(), hex("30 04 0001't' 00 82 07 0001 00 0001't' 00 c0 00")]));

    await expectConnectRefused(client, 0x86);
    await watcher.expectNothing();
  });
});
