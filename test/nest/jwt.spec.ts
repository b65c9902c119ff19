import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { exportJWK, SignJWT, UnsecuredJWT, type JWTPayload } from 'jose';
import { ConnectedClient, OnPublish, type JwtAuthOptions, type MQTTdClient, type MQTTdOptions } from 'nestjs-mqttd';
import { PacketType } from '../../lib/protocol/packets.js';
import { Inbox } from '../support/inbox.js';
import { apps } from '../support/nest-app.js';
import { programs } from '../support/programs.js';

const { PUBACK } = PacketType;
const secret = 'a secret that only the issuer and the broker know';
const hour = 3600;
const now = () => Math.floor(Date.now() / 1000);

const sign = (claims: JWTPayload, key: Uint8Array | KeyObject = Buffer.from(secret), alg = 'HS256', kid?: string) =>
  new SignJWT(claims).setProtectedHeader({ alg, ...(kid !== undefined && { kid }) }).sign(key);

describe('JSON Web Tokens as passwords', () => {
  const start = apps();
  const run = programs();
  const local = { port: 0, host: '127.0.0.1' } as const;
  const startWith = (jwt: JwtAuthOptions) => start({ mqttd: { ...local, auth: { jwt } } });

  /** The Reason Code of the CONNACK. */
  const told = async (
    { open }: Awaited<ReturnType<typeof start>>,
    token: string,
    clientId = 'x',
    username: string | undefined = 'any',
  ) => (await (await open()).connect({ clientId, username, password: Buffer.from(token) })).reasonCode;

  it('let in who brings one, as the user that it names, and show its claims to handlers', async () => {
    const heard = new Inbox<Partial<MQTTdClient>>();
    @Controller()
    class Readings {
      @OnPublish('readings')
      read(@ConnectedClient() client: MQTTdClient): void {
        heard.push(client);
      }
    }
    const { port } = await start({ controllers: [Readings], mqttd: { ...local, auth: { jwt: { secret } } } });
    const token = await sign({ sub: 'device-7', site: 'roof', exp: now() + hour });

    await run('mosquitto_pub', '-p', port, '-t', 'readings', '-m', '21.5', '-u', 'jwt', '-P', token).finished;

    const { username, claims, validUntil } = await heard.next();
    expect({ username, site: claims?.site }).toEqual({ username: 'device-7', site: 'roof' });
    expect(validUntil!.getTime() / 1000).toBeGreaterThanOrEqual(now() + hour - 60);
  });

  it.each<[string, () => Promise<string> | string]>([
    [
      'that was signed with another secret',
      () => sign({ sub: 'a' }, Buffer.from('another secret, which is long enough too')),
    ],
    ['that has run out', () => sign({ sub: 'a', exp: now() - hour })],
    ['that is not valid yet', () => sign({ sub: 'a', nbf: now() + hour })],
    ['that nobody has signed', () => new UnsecuredJWT({ sub: 'a' }).encode()],
    ['that names nobody', () => sign({ site: 'roof' })],
    ['of another issuer', () => sign({ sub: 'a', iss: 'https://elsewhere', aud: 'mqtt' })],
    ['for another audience', () => sign({ sub: 'a', iss: 'https://issuer', aud: 'web' })],
    ['that is none', () => 'password'],
    ['that is empty', () => ''],
  ])('refuse a token %s with 0x86', async (title, makeToken) => {
    const isNamed = /issuer|audience/.test(title);
    const app = await startWith({ secret, ...(isNamed && { issuer: ['https://issuer'], audience: 'mqtt' }) });
    expect(await told(app, await makeToken())).toBe(0x86);
  });

  it('may bind the client id', async () => {
    const app = await startWith({ secret, clientIdClaim: 'device', usernameClaim: 'name' });
    const token = await sign({ name: 'ann', device: '7' });
    expect([await told(app, token, '7'), await told(app, token, '8')]).toEqual([0, 0x85]);
  });

  it('bring topic rules with them, else those of the options hold', async () => {
    const app = await startWith({ secret, rules: { publish: ['common'] } });
    const own = await sign({ sub: 'a', mqtt: { publish: ['devices/%u/#'], deny: ['devices/a/secret'] } });
    const puback = async (token: string, topic: string) => {
      const client = await app.client(5, { password: Buffer.from(token), username: '' });
      client.publish(topic, { qos: 1 });
      return ((await client.next(PUBACK)) as { reasonCode: number }).reasonCode;
    };

    for (const [topic, reasonCode] of Object.entries({ 'devices/a/b': 0x10, 'devices/a/secret': 0x87, common: 0x87 }))
      expect([topic, await puback(own, topic)]).toEqual([topic, reasonCode]);
    const common = await sign({ sub: 'a' });
    expect([await puback(common, 'common'), await puback(common, 'devices/a/b')]).toEqual([0x10, 0x87]);
  });

  it.each<[unknown]>([['all'], [{ publish: 'all' }], [{ publish: ['a/#/b'] }], [{ allow: ['a'] }], [[]], [null]])(
    'are refused with 0x87 where their rules cannot be understood: %j',
    async (mqtt) => {
      const app = await startWith({ secret });
      expect(await told(app, await sign({ sub: 'a', mqtt }))).toBe(0x87);
    },
  );

  it('end the connection when they run out, with 0xA0', async () => {
    const app = await startWith({ secret, clockToleranceSeconds: 0 });
    const token = await sign({ sub: 'a', exp: now() + 2 });
    const device = await app.client(5, { password: Buffer.from(token), username: '' });

    await device.expectDisconnect(0xa0);
    expect(await told(app, token)).toBe(0x86);
  });

  it('may be signed with a private key: by none that is not its own, and not with the public one as a secret', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const pem = publicKey.export({ type: 'spki', format: 'pem' }) as string;
    const app = await startWith({ publicKey: pem });
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

    expect(await told(app, await sign({ sub: 'a' }, privateKey, 'ES256'))).toBe(0);
    expect(await told(app, await sign({ sub: 'a' }, stranger, 'ES256'))).toBe(0x86);
    expect(await told(app, await sign({ sub: 'a' }, Buffer.from(pem), 'HS256'))).toBe(0x86);
  });

  describe('with keys that the issuer publishes', () => {
    const servers: Server[] = [];
    afterEach(() => {
      for (const server of servers.splice(0)) server.close();
    });

    it('are looked up there', async () => {
      const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
      const keys = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'RS256', use: 'sig' }] };
      const server = createServer((_request, response) => response.end(JSON.stringify(keys)));
      servers.push(server);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      const app = await startWith({ jwksUri: `http://127.0.0.1:${port}/jwks.json`, algorithms: ['RS256'] });

      expect(await told(app, await sign({ sub: 'a' }, privateKey, 'RS256', 'k1'))).toBe(0);
      expect(await told(app, await sign({ sub: 'a' }, privateKey, 'RS256', 'k2'))).toBe(0x86);
    });

    it('are refused while those cannot be had', async () => {
      const app = await startWith({ jwksUri: 'http://127.0.0.1:1/jwks.json' });
      const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
      expect(await told(app, await sign({ sub: 'a' }, privateKey, 'RS256', 'k1'))).toBe(0x86);
    });
  });

  it.each<[object, string]>([
    [{}, 'auth.jwt: has 0 of secret, publicKey and jwksUri; give exactly one of them'],
    [{ secret, publicKey: 'x' }, 'auth.jwt: has 2 of secret'],
    [{ secret: 'short' }, 'auth.jwt.secret: has 5 bytes; use at least 32'],
    [{ publicKey: 'x' }, 'auth.jwt.publicKey: cannot be read; give the PEM text'],
    [{ jwksUri: 'nowhere' }, 'auth.jwt.jwksUri: "nowhere" is not a URL'],
    [{ secret, algorithm: 'HS256' }, 'auth.jwt.algorithm: there is no such option'],
    [{ secret, rules: { publish: ['#/a'] } }, 'auth.jwt.rules.publish[0]: "#/a" is not a topic filter'],
  ])('[A26] are an error at start-up where the options cannot be used: %j', async (jwt, message) => {
    const mqttd = { ...local, auth: { jwt } } as MQTTdOptions;
    await expect(start({ mqttd })).rejects.toThrow(message);
  });
});
