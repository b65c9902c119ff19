import { describe, expect, it } from '@jest/globals';
import { CredentialsAuth, hashPassword, MQTTdBroker, MQTTdPublisher, type MQTTdOptions } from 'nestjs-mqttd';
import { PacketType } from '../../lib/protocol/packets.js';
import { apps } from '../support/nest-app.js';
import type { WireClient } from '../support/wire-client.js';

const local = { port: 0, host: '127.0.0.1' };
const password = Buffer.from('secret');
const { PUBACK } = PacketType;

describe('topic rules of users', () => {
  const start = apps();

  const rules = { publish: ['devices/%c/#', 'log'], subscribe: ['devices/%c/#', 'users/%u/+', 'news/#'] };
  const users: NonNullable<Extract<MQTTdOptions['auth'], { users: unknown }>>['users'] = {
    ann: { password: 'secret' },
    'a/b': { password: 'secret' },
    '+': { password: 'secret' },
    admin: { password: 'secret', publish: ['#'], subscribe: ['#'] },
    mute: { password: 'secret', publish: [] },
  };
  const startWithRules = () => start({ mqttd: { ...local, auth: { users, rules } } });

  const told = async (client: WireClient, topic: string): Promise<number> => {
    const packetId = client.publish(topic, { qos: 1 });
    return ((await client.expect({ type: PUBACK, packetId })) as { reasonCode: number }).reasonCode;
  };

  it('say where each may publish: 0x87 for everything else', async () => {
    const { client } = await startWithRules();
    const device = await client(5, { clientId: '7', username: 'ann', password });

    for (const topic of ['devices/7/a', 'devices/7', 'log']) expect(await told(device, topic)).toBe(0x10);
    for (const topic of ['devices/8/a', 'devices', 'log/x', 'users/ann/a'])
      expect(await told(device, topic)).toBe(0x87);
    // Asked for again.
    expect([await told(device, 'log'), await told(device, 'log/x')]).toEqual([0x10, 0x87]);
  });

  it('say where each may subscribe: to nothing that goes beyond', async () => {
    const { client } = await startWithRules();
    const device = await client(5, { clientId: '7', username: 'ann', password });
    const filters = [
      'devices/7/#',
      'devices/7/+/x',
      'users/ann/a',
      '$share/g/news/a',
      'devices/+/a',
      'devices/#',
      'users/ann/#',
      '#',
      '$share/g/users/#',
    ];

    const { reasonCodes } = await device.subscribe(filters, { qos: 1 });

    expect(reasonCodes).toEqual([1, 1, 1, 1, 0x87, 0x87, 0x87, 0x87, 0x87]);
  });

  it('may be a user’s own; where one list is missing everything is allowed, where it is empty nothing', async () => {
    const { client } = await startWithRules();
    const admin = await client(5, { clientId: 'x', username: 'admin', password });
    const mute = await client(5, { clientId: 'y', username: 'mute', password });

    expect(await told(admin, 'devices/7/a')).toBe(0x10);
    expect((await mute.subscribe('#')).reasonCodes).toEqual([0]);
    expect(await told(mute, 'y')).toBe(0x87);
  });

  it.each([
    ['#', 'ann'],
    ['+', 'ann'],
    ['7/a', 'ann'],
    ['7', '+'],
    ['7', 'a/b'],
  ])('[A21] a client id %p or user name %p that is more than a name gets nothing by it', async (clientId, username) => {
    const { client } = await startWithRules();
    const device = await client(5, { clientId, username, password });

    const filters = [
      clientId === '#' ? 'devices/#' : `devices/${clientId}/a`,
      'devices/7/a',
      `users/${username}/a`,
      'users/b/a',
      'devices/#',
      'users/#',
    ];
    const { reasonCodes } = await device.subscribe(filters);

    const isNameOf = (filter: string) =>
      (clientId === '7' && filter === 'devices/7/a') || (username === 'ann' && filter === 'users/ann/a');
    expect(reasonCodes).toEqual(filters.map((filter) => (isNameOf(filter) ? 0 : 0x87)));
  });

  it('[A22] hold for wills', async () => {
    const { client } = await startWithRules();
    const witness = await client(5, { clientId: 'x', username: 'admin', password });
    await witness.subscribe('#');
    for (const [clientId, topic] of [
      ['7', 'devices/8/will'],
      ['8', 'devices/8/will'],
    ] as const) {
      const will = { topic, payload: Buffer.from(clientId), qos: 0, retain: false } as const;
      (await client(5, { clientId, username: 'ann', password, will })).drop();
    }

    await witness.expectPublish('devices/8/will', '8');
    await witness.expectNothing();
  });

  it('change with the user, who can be sent away', async () => {
    const auth = new CredentialsAuth({ ann: { hash: await hashPassword('secret') } });
    const { app, client, open } = await start({ mqttd: { ...local, auth } });
    const login = { clientId: '7', username: 'ann', password };
    const first = await client(5, login);
    expect(await told(first, 'anything')).toBe(0x10);

    auth.set('ann', { password: 'other', publish: [] });
    expect(await told(first, 'anything')).toBe(0x87);
    expect(app.get(MQTTdBroker).disconnectAll(({ username }) => username === 'ann')).toBe(1);
    await first.expectDisconnect(0x98);

    expect(await (await open()).connect(login)).toMatchObject({ reasonCode: 0x86 });
    const second = await client(5, { ...login, password: Buffer.from('other') });
    expect(await told(second, 'anything')).toBe(0x87);
    auth.delete('ann');
    await second.expectDisconnect(0x87);
    expect(await (await open()).connect({ ...login, password: Buffer.from('other') })).toMatchObject({
      reasonCode: 0x86,
    });
  });

  it('[A24] deny parts of what they allow: neither published to nor received', async () => {
    const auth = { users, rules: { deny: ['devices/+/keys', '%u/#', 'secret/#'] } };
    const { client, app } = await start({ mqttd: { ...local, auth } });
    const device = await client(5, { clientId: '7', username: 'ann', password });
    expect((await device.subscribe(['#', 'secret/+', 'devices/+/keys', 'ann/x', 'devices/#'])).reasonCodes).toEqual([
      0, 0x87, 0x87, 0x87, 0,
    ]);

    for (const topic of ['devices/7/keys', 'secret', 'ann', 'ann/a']) {
      expect(await told(device, topic)).toBe(0x87);
      await app.get(MQTTdPublisher).publish(topic, 'hidden');
    }
    await app.get(MQTTdPublisher).publish('bob/a', 'seen');
    await device.expectPublish('bob/a', 'seen');
    await device.expectNothing();
  });

  it('[A21] [A24] a name by which nothing can be allowed does not lift what is denied', async () => {
    const { client } = await start({ mqttd: { ...local, auth: { users, rules: { deny: ['%u/#'] } } } });
    const device = await client(5, { clientId: '7', username: 'a/b', password });
    expect((await device.subscribe(['a/b/c', 'news'])).reasonCodes).toEqual([0x87, 0x87]);
    expect([await told(device, 'a/b/c'), await told(device, 'news')]).toEqual([0x87, 0x87]);
  });

  it('[A23] hold at once for a user whose rules have changed', async () => {
    const auth = new CredentialsAuth({ ann: { password: 'secret' } });
    const { app, client } = await start({ mqttd: { ...local, auth } });
    const device = await client(5, { clientId: '7', username: 'ann', password });
    await device.subscribe(['news/#', 'secret/#']);

    auth.set('ann', { password: 'secret', subscribe: ['news/#'], deny: ['news/inner'] });
    for (const topic of ['secret/a', 'news/inner', 'news/a']) await app.get(MQTTdPublisher).publish(topic, topic);

    await device.expectPublish('news/a', 'news/a');
    await device.expectNothing();
  });

  it.each<[object, string]>([
    [{ users, rules: { deny: ['a/#/b'] } }, 'auth.rules.deny[0]: "a/#/b" is not a topic filter'],
    [{ users: {} }, 'auth.users: is empty'],
    [{ users, rules: { publish: ['a/#/b'] } }, 'auth.rules.publish[0]: "a/#/b" is not a topic filter'],
    [
      { users: { ann: { password: 'x', subscribe: ['ok', '$share/g/a'] } } },
      'auth.users["ann"].subscribe[1]: "$share/g/a" is not',
    ],
    [{ users: { ann: { publish: ['a'] } } }, 'auth.users["ann"] is neither a hash made by hashPassword() nor'],
    [{ users, rules: { publish: [7] } }, 'auth.rules.publish[0]: 7 is not a topic filter'],
  ])('[A26] that cannot be used are an error at start-up: %j', async (auth, message) => {
    await expect(start({ mqttd: { ...local, auth } as MQTTdOptions })).rejects.toThrow(message);
  });
});
