import { expect, it } from '@jest/globals';
import { PacketType } from '../../../lib/protocol/packets.js';
import { framed, hex } from '../../support/bytes.js';
import { breakOff } from '../../support/connection-steps.js';
import { publishWhole, receiveWhole } from '../../support/exchanges.js';
import { GuardedAuth } from '../../support/guarded-auth.js';
import { leave } from '../../support/scenario.js';
import { RecordingAuth, VerdictAuth } from '../../support/test-auths.js';
import { describeOverTransports } from '../../support/test-broker.js';

const { PUBREC, PUBREL, PUBCOMP } = PacketType;

/** The bytes of a CONNECT as MQTT 3.1 has it. */
const connectBytes = (flags: string, payload: string, protocol = "0006'MQIsdp' 03") =>
  hex(framed(0x10, `${protocol} ${flags} 0000 ${payload}`));

/** MQTT 3.1 has no normative ids; its sections stand in the titles. */
describeOverTransports('MQTT 3.1', (start) => {
  it('3.1 accepts MQIsdp with level 3', async () => {
    const client = await (await start()).open(3);

    client.send(connectBytes('02', "0003'dev'"));

    await client.expectHex('20 02 00 00');
    await client.expectNothing();
  });

  it.each(['00', '02', '04'])('3.1 answers return code 1 to MQIsdp with level %s', async (level) => {
    const client = await (await start()).open(3);

    client.send(connectBytes('02', "0003'dev'", `0006'MQIsdp' ${level}`));

    await client.expectHex('20 02 00 01');
    await client.expectClosed();
  });

  it.each([
    ['1 character', 'a'],
    ['23 characters', 'abcdefghijklmnopqrstuvw'],
    ['23 characters of two bytes', 'é'.repeat(23)],
  ])('3.1 accepts a client identifier of %s', async (_what, clientId) => {
    const client = await (await start()).open(3);

    client.sendConnect({ clientId });

    await client.expectHex('20 02 00 00');
  });

  it.each([
    ['no character', ''],
    ['24 characters', 'abcdefghijklmnopqrstuvwx'],
  ])('3.1 answers return code 2 to a client identifier of %s', async (_what, clientId) => {
    const client = await (await start()).open(3);

    client.sendConnect({ clientId });

    await client.expectHex('20 02 00 02');
    await client.expectClosed();
  });

  it.each([
    ['user name', '82', "0003'dev'", { username: undefined, password: undefined }],
    ['password', 'c2', "0003'dev' 0004'user'", { username: 'user', password: undefined }],
    ['user name and password', 'c2', "0003'dev'", { username: undefined, password: undefined }],
  ])('3.1 tolerates that a promised %s is missing', async (_what, flags, payload, login) => {
    const auth = new RecordingAuth();
    const client = await (await start({ auth })).open(3);

    client.send(connectBytes(flags, payload));

    await client.expectHex('20 02 00 00');
    expect(auth.logins[0]).toMatchObject({ clientId: 'dev', ...login });
  });

  it('3.1 reads user name and password', async () => {
    const auth = new RecordingAuth();
    const client = await (await start({ auth })).open(3);

    client.send(connectBytes('c2', "0003'dev' 0004'user' 0004'word'"));

    await client.expectHex('20 02 00 00');
    expect(auth.logins[0]).toMatchObject({ username: 'user', password: Buffer.from('word') });
  });

  it.each([
    [0x88, '03'],
    [false, '04'],
    [0x87, '05'],
  ])('3.2 says why it refuses: %s is return code %s', async (verdict, returnCode) => {
    const client = await (await start({ auth: new VerdictAuth('dev', verdict) })).open(3);

    client.sendConnect({ clientId: 'dev' });

    await client.expectHex(`20 02 00 ${returnCode}`);
    await client.expectClosed();
  });

  it('3.2 leaves the first byte of the CONNACK alone, although the session is resumed', async () => {
    const broker = await start();
    const session = { clientId: 'dev', cleanStart: false };
    const publisher = await broker.client(3, { clientId: 'pub' });
    const client = await broker.client(3, session);
    await client.subscribe('a', { qos: 1 });
    await leave(client);
    await publishWhole(publisher, 'a', { payload: 'x', qos: 1 });

    const again = await broker.open(3);
    again.sendConnect(session);

    await again.expectHex('20 02 00 00');
    await receiveWhole(again, 'a', 'x', { qos: 1 });
  });

  it('3.1 closes the connection that the client had before', async () => {
    const broker = await start();
    const before = await broker.client(3, { clientId: 'dev' });

    const after = await broker.client(3, { clientId: 'dev' });

    await before.expectClosed();
    await after.expectNothing();
  });

  it('3.1 publishes the will when the connection breaks, and not after DISCONNECT', async () => {
    const broker = await start();
    const other = await broker.client(3, { clientId: 'other' });
    await other.subscribe('will', { qos: 1 });
    const will = { topic: 'will', payload: Buffer.from('gone'), qos: 1, retain: false } as const;

    await leave(await broker.client(3, { clientId: 'dev', will }));
    await other.expectNothing();
    await breakOff(await broker.client(3, { clientId: 'dev', will }));

    await receiveWhole(other, 'will', 'gone', { qos: 1 });
  });

  it('3.1 closes after one and a half times the keep alive', async () => {
    const broker = await start();
    const client = await broker.client(3, { clientId: 'dev', keepAlive: 10 });

    broker.clock.advance(14);
    await client.expectNothing();
    broker.clock.advance(16);

    await client.expectClosed();
  });

  it('3.9 says 0x80 for a filter that is refused', async () => {
    const client = await (await start({ auth: new GuardedAuth() })).client(3, { clientId: 'dev' });

    client.send(hex(framed(0x82, "0001 0001'a' 01 0006'secret' 01 0001'b' 00")));

    await client.expectHex('90 05 0001 01 80 00');
  });

  it.each([
    ['SUBSCRIBE', "8a 06 0001 0001'a' 00", '90 03 0001 00'],
    ['UNSUBSCRIBE', "aa 05 0002 0001'a'", 'b0 02 0002'],
    ['PUBREL', '6a 02 0003', '70 02 0003'],
  ])('2.1 accepts a %s that is sent again with DUP', async (_what, bytes, answer) => {
    const client = await (await start()).client(3, { clientId: 'dev' });

    client.send(hex(bytes));

    await client.expectHex(answer);
  });

  it('4.1 completes every flow', async () => {
    const broker = await start();
    const client = await broker.client(3, { clientId: 'dev' });
    await client.subscribe('a/+', { qos: 2 });

    client.send(hex(`30 06 0003'a/b' "x"`));
    await client.expectHex('30 06 0003 612f62 78');
    client.send(hex(`32 08 0003'a/c' 0007 "y"`));
    const answers = [await client.next(), await client.next()].map(({ type }) => type);
    expect(new Set(answers)).toEqual(new Set([PacketType.PUBLISH, PacketType.PUBACK]));
    client.send(hex("a2 07 0009 0003'a/+'"));
    await client.expectHex('b0 02 0009');
    client.send(hex(`34 08 0003'a/d' 0008 "z"`));
    await client.expectHex('50 02 0008');
    client.send('62 02 0008');
    await client.expectHex('70 02 0008');
    client.send('c000');
    await client.expectHex('d000');
    client.send('e000');
    await client.expectClosed();
  });

  it('4.1 delivers at QoS 2 and sends again what is unfinished', async () => {
    const broker = await start();
    const session = { clientId: 'dev', cleanStart: false };
    const client = await broker.client(3, session);
    await client.subscribe('a', { qos: 2 });
    await publishWhole(await broker.client(3, { clientId: 'pub' }), 'a', { payload: 'x', qos: 2 });
    const { packetId } = await client.expectPublish('a', 'x', { qos: 2, dup: false });
    await leave(client);

    const again = await broker.client(3, session);
    await again.expectPublish('a', 'x', { qos: 2, dup: true, packetId });
    again.acknowledge(PUBREC, packetId);
    await again.expect({ type: PUBREL, packetId });
    again.acknowledge(PUBCOMP, packetId);
    await again.expectNothing();
  });
});
