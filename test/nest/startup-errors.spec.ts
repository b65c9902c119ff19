import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { afterEach, describe, expect, it } from '@jest/globals';
import { NestFactory } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { MQTTdModule, MQTTdUsageError, hashPassword, type MQTTdOptions } from 'nestjs-mqttd';
import { certificates } from '../support/certificates.js';
import { Inbox } from '../support/inbox.js';
import { logInto } from '../support/nest-app.js';

/** What starting an application with these options throws. */
async function startUpError(options: unknown): Promise<Error & { code?: string }> {
  const module = Test.createTestingModule({ imports: [MQTTdModule.forRoot(options as MQTTdOptions)] });
  const compiled = await module.compile().catch((error: unknown) => error as Error);
  if (compiled instanceof Error) return compiled;
  const app = compiled.createNestApplication({ logger: false });
  const error = await app.init().catch((reason: unknown) => reason as Error);
  await app.close();
  if (error instanceof Error) return error;
  throw new Error('the application has started');
}

const privateKey = () => certificates().server.key;

describe('a wrong option', () => {
  it.each<[string, unknown, string]>([
    ['that does not exist', { prot: 1883 }, 'prot: there is no such option; the options are port, host, tls,'],
    ['limit that does not exist', { limits: { max: 1 } }, 'limits.max: there is no such limit; the limits are'],
    ['port above 65535', { port: 65_536 }, 'port: 65536; use a whole number from 0 to 65535'],
    ['port below 0', { port: -1 }, 'port: -1; use a whole number from 0 to 65535'],
    ['port that is no number', { port: Number(undefined) }, 'port: NaN; use a whole number from 0 to 65535'],
    ['port as text', { port: '1883' }, 'port: "1883"; use a whole number from 0 to 65535'],
    [
      'port in a list',
      { listeners: [{ tcp: { port: 0 } }, { tcp: { port: 0.5 } }] },
      'listeners[1].tcp.port: 0.5; use',
    ],
    ['empty listeners', { listeners: [] }, 'listeners: is empty; leave it out to listen on port 1883'],
    [
      'listeners beside port',
      { listeners: [{ tcp: {} }], port: 1 },
      'listeners: cannot stand beside port, host or tls',
    ],
    ['unknown listener', { listeners: [{ udp: { port: 1 } }] }, 'listeners[0]: has udp; use { tcp: { port } }, { tls:'],
    ['listener that is none', { listeners: [null] }, 'listeners[0]: null; use { tcp: { port } }'],
    [
      'listener without an address',
      { listeners: [{ tcp: undefined }] },
      'listeners[0].tcp: undefined; use { port, host }',
    ],
    ['auth beside allowAnonymous', { allowAnonymous: true, auth: { users: { ann: { password: 'x' } } } }, 'leave one'],
    ['auth without users', { auth: { users: {} } }, 'auth.users: is empty; name at least one user'],
    [
      'auth that is none',
      { auth: null },
      'auth: cannot be used; give { users: { ... } }, { jwt: { ... } }, or an Auth of your own',
    ],
    ['auth as text', { auth: 'hunter2' }, 'auth: cannot be used; give { users: { ... } }'],
    [
      'limit below its range',
      { limits: { receiveMaximum: 0 } },
      'limits.receiveMaximum: 0; use a whole number from 1 to',
    ],
    [
      'limit above its range',
      { limits: { topicAliasMaximum: 65_536 } },
      'limits.topicAliasMaximum: 65536; use a whole',
    ],
    [
      'limit that is no number',
      { limits: { connectTimeoutMs: '9' } },
      'limits.connectTimeoutMs: "9"; use a whole number',
    ],
    [
      'limit that is no whole number',
      { limits: { maximumKeepAlive: 1.5 } },
      'limits.maximumKeepAlive: 1.5; use a whole',
    ],
    [
      'onQueueFull',
      { limits: { onQueueFull: 'panic' } },
      "limits.onQueueFull: \"panic\"; use 'dropNewest', 'dropOldest' or 'refuse'",
    ],
  ])('is named with its value and the remedy: %s', async (_title, options, text) => {
    const error = await startUpError(options);

    expect(error).toBeInstanceOf(MQTTdUsageError);
    expect(error.code).toBe('INVALID_OPTION');
    expect(error.message).toContain(text);
  });

  it('limits given as undefined are the defaults', async () => {
    await expect(startUpError({ port: 0, limits: { receiveMaximum: undefined } })).rejects.toThrow('has started');
  });

  it.each([
    ['text that is no hash', 'hunter2'],
    ['a hash cut short', 'scrypt$16384$8$1$c2FsdHNhbHQ'],
    ['a number', 12_345_678],
    ['an object without password', { pass: 'hunter2' }],
    ['null', null],
  ])('auth.users: %s is named by its user, without a word of the password', async (_title, entry) => {
    const good = await hashPassword('right');

    const error = await startUpError({ auth: { users: { bob: good, 'ann "7"': entry } } });

    expect(error).toMatchObject({ name: 'MQTTdUsageError', code: 'INVALID_OPTION' });
    expect(error.message).toContain('auth.users["ann \\"7\\""] is neither a hash made by hashPassword() nor');
    expect(error.message).not.toMatch(/hunter2|12345678|c2Fsd|bob/);
  });

  it('a listener written without tls or tcp does not put its private key into the text', async () => {
    const error = await startUpError({ listeners: [{ port: 8883, key: privateKey(), cert: 'c' }] });

    expect(error.message).toContain(
      'listeners[0]: has port, key, cert; use { tcp: { port } }, { tls: { port, key, cert } }',
    );
    expect(error.message).not.toContain('PRIVATE KEY');
  });
});

describe('an address that everybody can reach', () => {
  it.each([
    ['0.0.0.0', { host: '0.0.0.0' }, 'host'],
    ['::', { host: '::' }, 'host'],
    ['a name', { host: 'broker.example' }, 'host'],
    ['a name that begins like ours', { host: '127.0.0.1.example' }, 'host'],
    [
      'an entry of listeners',
      { listeners: [{ tcp: { port: 0 } }, { tcp: { host: '0.0.0.0' } }] },
      'listeners[1].tcp.host',
    ],
  ])('needs auth or allowAnonymous: %s', async (_title, options, path) => {
    const error = await startUpError(options);

    expect(error).toMatchObject({ name: 'MQTTdUsageError', code: 'OPEN_TO_THE_NETWORK' });
    expect(error.message).toMatch(new RegExp(`^${path.replaceAll(/[[\].]/g, '\\$&')}: '[^']+' would let everybody`));
    expect(error.message).toContain('set auth, or allowAnonymous: true');
  });
});

describe('a port that is taken', () => {
  let other: Server | undefined;
  afterEach(() => {
    other?.close();
  });

  const takenPort = async (): Promise<number> => {
    other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    return (other.address() as AddressInfo).port;
  };

  it.each<[string, (port: number) => MQTTdOptions, string]>([
    ['short form', (port) => ({ port }), 'port'],
    ['second listener', (port) => ({ listeners: [{ tcp: { port: 0 } }, { tcp: { port } }] }), 'listeners[1].tcp.port'],
  ])('makes app.init() reject: %s', async (_title, options, path) => {
    const port = await takenPort();

    const error = await startUpError(options(port));

    expect(error).toMatchObject({
      name: 'MQTTdUsageError',
      code: 'LISTEN_FAILED',
      message: `${path}: ${port} is taken by another process; choose another port or stop it`,
      cause: { code: 'EADDRINUSE' },
    });
  });

  it('makes app.listen() and createApplicationContext reject, and the application can be closed', async () => {
    const module = MQTTdModule.forRoot({ port: await takenPort() });
    const options = { logger: logInto(new Inbox()), abortOnError: false };
    const app = await NestFactory.create({ module: class Root {}, imports: [module] }, options);

    await expect(app.listen(0)).rejects.toMatchObject({ code: 'LISTEN_FAILED' });
    await expect(
      NestFactory.createApplicationContext({ module: class Root {}, imports: [module] }, options),
    ).rejects.toMatchObject({ code: 'LISTEN_FAILED' });

    await app.close();
  });

  it.each([
    ['192.0.2.1', "host: '192.0.2.1' is not an address of this machine"],
    ['nowhere.invalid', "host: 'nowhere.invalid' cannot be resolved"],
  ])('is not the only address that cannot be had: host %s', async (host, text) => {
    const error = await startUpError({ host, port: 0, allowAnonymous: true });

    expect(error).toMatchObject({ name: 'MQTTdUsageError', code: 'LISTEN_FAILED', message: text });
  });
});

describe('a certificate that cannot be used', () => {
  const missing = join(tmpdir(), 'no-such-file.pem');
  const { server, client } = certificates();

  it.each<[string, object, string]>([
    ['key missing', { cert: server.cert }, 'tls.key: is missing; give a PEM text or the path of a PEM file'],
    ['cert missing', { key: server.key }, 'tls.cert: is missing; give a PEM text or the path of a PEM file'],
    ['no such file', { key: server.key, cert: missing }, `tls.cert: cannot read '${missing}' (ENOENT); give the path`],
    ['no such authority', { ...server, ca: [server.cert, missing] }, `tls.ca[1]: cannot read '${missing}' (ENOENT)`],
    ['a directory', { key: tmpdir(), cert: server.cert }, `tls.key: cannot read '${tmpdir()}' (EISDIR)`],
    ['key of another', { key: client.key, cert: server.cert }, 'tls: key, cert or ca cannot be used ('],
    ['no PEM', { key: server.key, cert: Buffer.from('x') }, 'tls: key, cert or ca cannot be used ('],
  ])('is named: %s', async (_title, given, text) => {
    const { keyFile: _, certFile: __, ...tls } = { keyFile: '', certFile: '', ...given };

    const error = await startUpError({ port: 0, tls });

    expect(error).toMatchObject({ name: 'MQTTdUsageError', code: 'INVALID_CERTIFICATE' });
    expect(error.message).toContain(text);
    expect(error.message).not.toContain('PRIVATE KEY');
  });

  it('is named by the path of its entry in listeners', async () => {
    const error = await startUpError({ listeners: [{ tls: { port: 0, key: server.key, cert: missing } }] });

    expect(error.message).toContain('listeners[0].tls.cert: cannot read');
  });
});
