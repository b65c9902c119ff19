import { expect, it } from '@jest/globals';
import { hex } from '../../support/bytes.js';
import { connectBytes311 } from '../../support/connect-bytes-311.js';
import { GuardedAuth } from '../../support/guarded-auth.js';
import { leave } from '../../support/scenario.js';
import { RecordingAuth, VerdictAuth } from '../../support/test-auths.js';
import { describeOverTransports } from '../../support/test-broker.js';

describeOverTransports('MQTT 3.1.1, 3.1 CONNECT: payload and response', (start) => {
  it('[MQTT-3.1.3-1] reads identifier, will topic, will message, user name and password in this order', async () => {
    const auth = new RecordingAuth();
    const broker = await start({ auth });
    const other = await broker.client(4);
    await other.subscribe('topic');
    const client = await broker.open(4);

    client.send(connectBytes311({ flags: 'c6', payload: "0002'id' 0005'topic' 0003'msg' 0004'user' 0003[00ff70]" }));

    await client.expectHex('20 02 00 00');
    expect(auth.logins.at(-1)).toMatchObject({ clientId: 'id', username: 'user', password: hex('00ff70') });
    client.drop();
    await other.expectPublish('topic', 'msg');
  });

  it('[MQTT-3.1.3-2] knows the session by the client identifier, character by character', async () => {
    const broker = await start();
    for (const clientId of ['c', 'd']) await leave(await broker.client(4, { clientId, cleanStart: false }));

    const present = [];
    for (const clientId of ['c', 'C', 'c ', 'd']) {
      const client = await broker.open(4);
      present.push((await client.connect({ clientId, cleanStart: false })).sessionPresent);
    }

    expect(present).toEqual([true, false, false, true]);
  });

  it('[MQTT-3.1.3-3] closes when there is no client identifier', async () => {
    const client = await (await start()).open(4);

    client.send(connectBytes311({ payload: '' }));

    await client.expectClosed();
  });

  it.each([
    ['[MQTT-3.1.3-4] closes for a client identifier', '02', '0002[c328]'],
    ['[MQTT-3.1.3-10] closes for a will topic', '06', "0001'c' 0002[c328] 0000"],
    ['[MQTT-3.1.3-11] closes for a user name', '82', "0001'c' 0002[c328]"],
  ])('%s that is not UTF-8', async (_title, flags, payload) => {
    const client = await (await start()).open(4);

    client.send(connectBytes311({ flags, payload }));

    await client.expectClosed();
  });

  it.each(['a', '0123456789abcdefghijklm', 'nopqrstuvwxyzABCDEFGHIJ', 'KLMNOPQRSTUVWXYZ', '__proto__'])(
    '[MQTT-3.1.3-5] accepts the client identifier %s',
    async (clientId) => {
      const client = await (await start()).open(4);

      client.sendConnect({ clientId });

      await client.expectHex('20 02 00 00');
    },
  );

  it('[MQTT-3.1.3-6] assigns to each empty client identifier one of its own', async () => {
    const broker = await start();

    const first = await broker.client(4, { clientId: '', cleanStart: true });
    const second = await broker.client(4, { clientId: '', cleanStart: true });

    await first.expectNothing();
    await second.expectNothing();
    expect(broker.broker.sessions.size).toBe(2);
    expect([...broker.broker.sessions.keys()]).not.toContain('');
  });

  it('[MQTT-3.1.3-7] [MQTT-3.1.3-8] answers return code 2 to an empty identifier with Clean Session 0', async () => {
    const client = await (await start()).open(4);

    client.send(connectBytes311({ flags: '00', payload: '0000' }));

    await client.expectHex('20 02 00 02');
    await client.expectClosed();
  });

  it('[MQTT-3.1.3-9] answers return code 2 to an identifier that it rejects, and closes', async () => {
    const client = await (await start({ auth: new VerdictAuth('dev', 0x85) })).open(4);

    client.send(connectBytes311());

    await client.expectHex('20 02 00 02');
    await client.expectClosed();
  });

  it.each([
    ['ends in its header', "10 07 0004'MQTT' 04"],
    ['ends in its keep alive', "10 09 0004'MQTT' 04 02 00"],
    ['has a field that reaches beyond its end', "10 0d 0004'MQTT' 04 02 0000 0002[61]"],
    ['goes on behind its end', "10 0e 0004'MQTT' 04 02 0000 0001[61] 00"],
    ['has a length of five bytes', "10 80 80 80 80 01 0004'MQTT' 04"],
    ['has a will topic with a wildcard', "10 12 0004'MQTT' 04 06 0000 0001'c' 0001'+' 0000"],
  ])('[MQTT-3.1.4-1] closes without CONNACK when the CONNECT %s', async (_what, bytes) => {
    const client = await (await start()).open(4);

    client.send(hex(bytes));

    await client.expectClosed();
  });

  it('[MQTT-3.1.4-1] closes without CONNACK when the CONNECT does not come', async () => {
    const broker = await start();
    const client = await broker.open(4);
    client.send(hex("10 0d 0004'MQTT'"));
    await broker.client(4);

    broker.clock.advance(11);

    await client.expectClosed();
  });

  it.each([true, false])('[MQTT-3.1.4-2] closes the connection that the client had before, clean %s', async (clean) => {
    const broker = await start();
    const session = { clientId: 'c', cleanStart: clean };
    const before = await broker.client(4, session);

    const after = await broker.client(4, session);

    await before.expectClosed();
    await after.expectNothing();
    expect(broker.broker.sessions.size).toBe(1);
  });

  it('[MQTT-3.1.4-3] ends or keeps the session as Clean Session says, on a takeover too', async () => {
    const broker = await start();
    const before = await broker.client(4, { clientId: 'c', cleanStart: false });
    await before.subscribe('a');

    const resumed = await broker.open(4);
    resumed.sendConnect({ clientId: 'c', cleanStart: false });
    await resumed.expectHex('20 02 01 00');
    resumed.publish('a', { payload: 'x' });
    await resumed.expectPublish('a', 'x');

    const clean = await broker.open(4);
    clean.sendConnect({ clientId: 'c', cleanStart: true });
    await clean.expectHex('20 02 00 00');
    clean.publish('a', { payload: 'x' });
    await clean.expectNothing();
  });

  it('[MQTT-3.1.4-4] acknowledges with return code 0', async () => {
    const client = await (await start()).open(4);

    client.send(connectBytes311());

    await client.expectHex('20 02 00 00');
  });

  it('[MQTT-3.1.4-5] handles nothing that comes behind a rejected CONNECT', async () => {
    const broker = await start({ auth: new GuardedAuth() });
    const other = await broker.client(4);
    await other.subscribe('#');
    const client = await broker.open(4);
    const barred = connectBytes311({ flags: '82', payload: "0003'dev' 0006'barred'" });

    client.send(Buffer.concat([barred, hex(`32 06 0001'a' 0001 "x"`), hex('c000')]));

    await client.expectHex('20 02 00 04');
    await client.expectClosed();
    await other.expectNothing();
  });
});
