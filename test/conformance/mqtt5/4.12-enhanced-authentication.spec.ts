import { expect, it } from '@jest/globals';
import { PacketType, type ConnackPacket, type DisconnectPacket } from '../../../lib/protocol/packets.js';
import { connectBytes, expectConnectRefused } from '../../support/connection-steps.js';
import { leave } from '../../support/scenario.js';
import { ChallengeAuth, challenged, method } from '../../support/test-auths.js';
import { describeOverTransports, type TestBroker } from '../../support/test-broker.js';
import type { WireClient } from '../../support/wire-client.js';

const { AUTH, CONNACK, DISCONNECT } = PacketType;
const data = (text: string) => ({ ...method, authenticationData: Buffer.from(text) });
const auth = (reasonCode: number, properties: object = {}) => ({ type: AUTH, reasonCode, properties });

/** A client that is let in by enhanced authentication. */
async function authenticated(broker: TestBroker): Promise<WireClient> {
  const { client } = await challenged(broker);
  client.send(auth(0x18, data('answer')));
  await client.expect({ type: CONNACK, reasonCode: 0 });
  return client;
}

describeOverTransports('4.12 Enhanced authentication', (start) => {
  it.each([
    ['a method that is not offered', new ChallengeAuth()],
    ['any method when none is offered', undefined],
  ])('[MQTT-4.12.0-1] refuses %s', async (_, offered) => {
    const client = await (await start(offered && { auth: offered })).open();

    client.sendConnect({ properties: { authenticationMethod: 'OTHER' } });

    await expectConnectRefused(client, 0x8c);
  });

  it.each([
    ['at once', false],
    ['later', true],
  ])('[MQTT-4.12.0-2] [MQTT-4.12.0-5] asks with AUTH 0x18 and the method, %s', async (_, isAsync) => {
    const client = await (await start({ auth: new ChallengeAuth({ isAsync }) })).open();

    client.sendConnect({ properties: data('first') });
    await client.expect({ type: AUTH, reasonCode: 0x18, properties: data('challenge') });
    client.send(auth(0x18, data('answer')));

    const { reasonCode, properties } = (await client.next(CONNACK)) as ConnackPacket;
    expect(reasonCode).toBe(0);
    expect(properties).toMatchObject(data('welcome'));
    await client.expectNothing();
  });

  it('[MQTT-4.12.0-2] hands each message of the client to the exchange', async () => {
    const offered = new ChallengeAuth();
    const client = await (await start({ auth: offered })).open();

    client.sendConnect({ properties: method });
    await client.next(AUTH);
    client.send(auth(0x18, data('answer')));
    await client.next(CONNACK);

    expect(offered.methods).toEqual(['CHALLENGE']);
    expect(offered.steps).toEqual([undefined, 'answer']);
  });

  it.each([0x00, 0x19])('[MQTT-4.12.0-3] refuses AUTH %i in a login', async (reasonCode) => {
    const { client } = await challenged(await start({ auth: new ChallengeAuth() }));

    client.send(auth(reasonCode, data('answer')));

    await expectConnectRefused(client, 0x82);
  });

  it.each([
    ['with the code that it gives', { reasonCode: 0x8a }, 0x8a],
    ['with 0x87 unless it gives a code', {}, 0x87],
    ['when it answers later', { isAsync: true }, 0x87],
  ])('[MQTT-4.12.0-4] refuses a login that the exchange refuses, %s', async (_, options, reasonCode) => {
    const { client } = await challenged(await start({ auth: new ChallengeAuth(options) }));

    client.send(auth(0x18, data('wrong')));

    await expectConnectRefused(client, reasonCode);
  });

  it.each([
    ['another method', { authenticationMethod: 'OTHER' }],
    ['no method', {}],
  ])('[MQTT-4.12.0-5] refuses an AUTH with %s in a login', async (_, properties) => {
    const { client } = await challenged(await start({ auth: new ChallengeAuth() }));

    client.send(auth(0x18, properties));

    const { reasonCode } = (await client.next(CONNACK)) as ConnackPacket;
    expect([0x82, 0x8c]).toContain(reasonCode);
    await client.expectClosed();
  });

  it('[MQTT-4.12.0-6] sends no AUTH and no method when the CONNECT has none', async () => {
    const client = await (await start({ auth: new ChallengeAuth() })).open();

    const { reasonCode, properties } = await client.connect({ username: 'ann' });

    expect(reasonCode).toBe(0);
    expect(properties?.authenticationMethod).toBeUndefined();
    expect(properties?.authenticationData).toBeUndefined();
    await client.expectNothing();
  });

  it.each([0x18, 0x19, 0x00])(
    '[MQTT-4.12.0-7] closes at AUTH %i when the CONNECT had no method',
    async (reasonCode) => {
      const client = await (await start({ auth: new ChallengeAuth() })).client();

      client.send(auth(reasonCode, method));

      await client.expectDisconnect(0x82);
    },
  );

  it.each([
    ['PUBLISH', '30 04 0001 74 00'],
    ['SUBSCRIBE', '82 07 0001 00 0001 61 00'],
    ['PINGREQ', 'c0 00'],
    ['CONNECT', connectBytes()],
  ])('[MQTT-3.1.2-30] refuses %s before the login is done', async (_, packet) => {
    const broker = await start({ auth: new ChallengeAuth() });
    const watcher = await broker.client();
    await watcher.subscribe('#');
    const { client } = await challenged(broker);

    client.send(packet);

    await expectConnectRefused(client, 0x82);
    await watcher.expectNothing();
  });

  it('[MQTT-3.1.2-30] takes a DISCONNECT before the login is done', async () => {
    const { client } = await challenged(await start({ auth: new ChallengeAuth() }));

    await leave(client);
  });
});

describeOverTransports('4.12.1 Re-authentication', (start) => {
  it('[MQTT-4.12.1-1] [MQTT-4.12.0-5] goes on with the same method, beside other packets', async () => {
    const client = await authenticated(await start({ auth: new ChallengeAuth() }));
    await client.subscribe('t');

    client.send(auth(0x19, method));
    await client.expect({ type: AUTH, reasonCode: 0x18, properties: data('challenge') });
    client.publish('t', { payload: 'meanwhile' });
    await client.expectPublish('t', 'meanwhile');
    client.send(auth(0x18, data('answer')));

    await client.expect({ type: AUTH, reasonCode: 0x00, properties: data('welcome') });
    await client.expectNothing();
  });

  it.each([
    ['another method', { authenticationMethod: 'OTHER' }],
    ['no method', {}],
  ])('[MQTT-4.12.1-1] closes when it has %s', async (_, properties) => {
    const client = await authenticated(await start({ auth: new ChallengeAuth() }));

    client.send(auth(0x19, properties));

    await client.expectDisconnect(0x82);
  });

  it('[MQTT-4.12.0-3] closes when AUTH 0x18 continues nothing', async () => {
    const client = await authenticated(await start({ auth: new ChallengeAuth() }));

    client.send(auth(0x18, data('answer')));

    await client.expectDisconnect(0x82);
  });

  it.each([
    ['with the code that the exchange gives', { reasonCode: 0x98 }, 0x98],
    ['with 0x87 unless it gives a code', {}, 0x87],
    ['when it answers later', { isAsync: true }, 0x87],
  ])('[MQTT-4.12.1-2] closes when it fails, %s', async (_, options, reasonCode) => {
    const client = await authenticated(await start({ auth: new ChallengeAuth(options) }));

    client.send(auth(0x19, method));
    await client.next(AUTH);
    client.send(auth(0x18, data('wrong')));

    await client.expectDisconnect(reasonCode);
  });

  it('[MQTT-4.12.1-2] closes when the method is not offered any more, which is no fault of the broker', async () => {
    const offered = new ChallengeAuth();
    const broker = await start({ auth: offered });
    const client = await authenticated(broker);

    offered.isOffered = false;
    client.send(auth(0x19, method));

    const { reasonCode } = (await client.next(DISCONNECT)) as DisconnectPacket;
    expect(reasonCode).toBeGreaterThanOrEqual(0x80);
    await client.expectClosed();
    expect(broker.logged.filter((line) => line.startsWith('error'))).toEqual([]);
  });
});
