import { describe, expect, it } from '@jest/globals';
import { hashPassword, type MQTTdOptions } from 'nestjs-mqttd';
import { PacketType } from '../../lib/protocol/packets.js';
import { hex } from '../support/bytes.js';
import { apps } from '../support/nest-app.js';
import { mqttJs } from '../support/mqttjs.js';
import { programs } from '../support/programs.js';
import { Witness } from '../support/witness.js';

const secrets = ['correct horse', 'p4ssw0rd', 'guessed-wrong', 'payload-secret'];

describe('auth: { users }', () => {
  const start = apps();
  const run = programs();
  const connectTo = mqttJs();

  const startWith = async () => {
    const users = { ann: await hashPassword('correct horse'), bob: { password: 'p4ssw0rd' }, zoë: { password: '' } };
    const mqttd: MQTTdOptions = { port: 0, host: '127.0.0.1', auth: { users } };
    return start({ controllers: [Witness], mqttd });
  };

  it.each([
    ['the password of a hash', 'ann', 'correct horse', 0],
    ['the password in the options', 'bob', 'p4ssw0rd', 0],
    ['a wrong password for a hash', 'ann', 'guessed-wrong', 0x86],
    ['a wrong password', 'bob', 'guessed-wrong', 0x86],
    ['the password of somebody else', 'bob', 'correct horse', 0x86],
    ['a password cut short', 'bob', 'p4ssw0r', 0x86],
    ['the hash in the place of the password', 'ann', 'hash', 0x86],
    ['an unknown user', 'eve', 'p4ssw0rd', 0x86],
    ['the name of a property that objects have', 'constructor', 'p4ssw0rd', 0x86],
    ['an empty password that is right', 'zoë', '', 0],
    ['a user without a password', 'bob', undefined, 0x86],
    ['nothing at all', undefined, undefined, 0x86],
  ])('[MQTT-3.1.4-2] %s', async (_title, username, password, expected) => {
    const { open } = await startWith();
    const modern = await open(5);
    const old = await open(4);
    const given = password === undefined ? undefined : Buffer.from(password);

    const { reasonCode } = await modern.connect({ username, password: given });
    // 3.1.1 has no password without a user name, nor 0x86: it calls it 4.
    const { reasonCode: returnCode } = await old.connect({ username, password: given });

    expect(reasonCode).toBe(expected);
    expect(returnCode).toBe(expected === 0 ? 0 : 4);
    if (expected !== 0) await Promise.all([modern.expectClosed(), old.expectClosed()]);
  });

  it('lets a user in again and again, whatever wrong attempts come in between', async () => {
    const { open } = await startWith();
    const attempts = ['correct horse', 'guessed-wrong', 'correct horse', 'guessed-wrong', 'correct horse'];

    const answers = [];
    for (const password of attempts) {
      const client = await open(5);
      answers.push((await client.connect({ username: 'ann', password: Buffer.from(password) })).reasonCode);
    }

    expect(answers).toEqual([0, 0x86, 0, 0x86, 0]);
  });

  it('lets many in at once while it thinks', async () => {
    const { open } = await startWith();
    const clients = await Promise.all(Array.from({ length: 20 }, () => open(5)));

    const answers = await Promise.all(
      clients.map((client) => client.connect({ username: 'ann', password: Buffer.from('correct horse') })),
    );

    expect(answers.map(({ reasonCode }) => reasonCode)).toEqual(Array.from({ length: 20 }, () => 0));
  });

  it.each(['mqttv31', 'mqttv311', 'mqttv5'])('mosquitto_pub -V %s -u -P', async (version) => {
    const { app, port } = await startWith();
    const publish = (...args: string[]) =>
      run('mosquitto_pub', '-h', '127.0.0.1', '-p', port, '-V', version, '-t', 'a', '-m', 'x', ...args).finished;

    const right = await publish('-u', 'ann', '-P', 'correct horse');
    const wrong = await publish('-u', 'ann', '-P', 'guessed-wrong');
    const nobody = await publish();

    expect([right.code, wrong.code === 0, nobody.code === 0]).toEqual([0, false, false]);
    expect(wrong.stderr).toMatch(/bad user ?name or password/i);
    expect(await app.get(Witness).published.next()).toBe('a');
  });

  it('tells mqtt.js what is wrong', async () => {
    const { port } = await startWith();

    const login = connectTo(port, { protocolVersion: 5, username: 'ann', password: 'guessed-wrong' });

    await expect(login).rejects.toMatchObject({ code: 0x86 });
  });

  it('A27: writes no password and no payload into any log line', async () => {
    const { client, open, logged } = await startWith();
    const ann = await client(5, { username: 'ann', password: Buffer.from('correct horse') });
    const eve = await open(4);
    await eve.connect({ username: 'ann', password: Buffer.from('guessed-wrong') });
    const will = { topic: 'w', payload: Buffer.from('payload-secret'), qos: 1, retain: true } as const;
    const bob = await client(5, { username: 'bob', password: Buffer.from('p4ssw0rd'), will });

    ann.publish('a', { payload: 'payload-secret', qos: 1, retain: true });
    await ann.settled();
    // A packet that breaks the protocol, with a payload in it: QoS 3.
    bob.send(Buffer.from([0x36, 17, 0, 1, 0x61, ...Buffer.from('payload-secret')]));
    await ann.settled();
    // A CONNECT with a reserved flag, and the password behind it.
    const rest = Buffer.concat([hex("0004'MQTT' 05 c3 0000 00{} 0000 0003'ann' 000d"), Buffer.from('correct horse')]);
    const malformed = await open(5);
    malformed.send(Buffer.concat([Buffer.from([0x10, rest.length]), rest]));
    await malformed.expect({ type: PacketType.CONNACK, reasonCode: 0x81 });

    await logged.find((line) => line.includes('client refused'));
    const lines = logged.all.join('\n');
    for (const secret of secrets) expect(lines).not.toContain(secret);
    expect(lines).not.toContain('scrypt$');
  });
});
