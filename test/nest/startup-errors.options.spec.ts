import { describe, expect, it } from '@jest/globals';
import { Injectable, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { Auth, MQTTdModule, MQTTdUsageError, TcpListener, type Login, type MQTTdOptions } from 'nestjs-mqttd';
import { accepted, apps, openClient, portOf } from '../support/nest-app.js';

/** What compiling an application with these options throws. */
async function compileError(options: unknown): Promise<unknown> {
  const module = Test.createTestingModule({ imports: [MQTTdModule.forRoot(options as MQTTdOptions)] });
  return module.compile().then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe('an option that does not exist', () => {
  it.each<[string, unknown, string]>([
    [
      'in the address of a listener',
      { listeners: [{ tcp: { prot: 1 } }] },
      'listeners[0].tcp.prot: there is no such option; the options are port, host',
    ],
    [
      'in that of the second',
      { listeners: [{ tcp: {} }, { tcp: { port: 1, hots: '::1' } }] },
      'listeners[1].tcp.hots: there is no such option',
    ],
    ['named as what every object has', { toString: 5 }, 'toString: there is no such option; the options are port,'],
    ['named as how it was made', { constructor: 5 }, 'constructor: there is no such option; the options are port,'],
    ['such a limit', { limits: { toString: 5 } }, 'limits.toString: there is no such limit; the limits are'],
    ['such a limit', { limits: { hasOwnProperty: 5 } }, 'limits.hasOwnProperty: there is no such limit; the limits'],
    ['such a capability', { capabilities: { valueOf: true } }, 'capabilities.valueOf: there is no such capability;'],
  ])('[A47] [A13] is named: %s', async (_title, options, text) => {
    const error = await compileError(options);

    expect(error).toBeInstanceOf(MQTTdUsageError);
    expect(error).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining(text) });
  });
});

describe('a listener that the application has made', () => {
  const listener = () => new TcpListener({ port: 0, host: '127.0.0.1' });

  it.each([
    ['alone', () => [listener()], 0],
    ['beside another', () => [{ tcp: { port: 0 } }, listener()], 1],
  ])('[A47] needs auth or allowAnonymous, as nobody knows who reaches it: %s', async (_title, listeners, index) => {
    const error = await compileError({ listeners: listeners() });

    expect(error).toBeInstanceOf(MQTTdUsageError);
    expect(error).toMatchObject({
      code: 'OPEN_TO_THE_NETWORK',
      message: expect.stringMatching(new RegExp(`^listeners\\[${index}\\]: mqtt://127.0.0.1:0 .*set auth, or allow`)),
    });
  });

  it.each<[string, Partial<MQTTdOptions>]>([
    ['allowAnonymous', { allowAnonymous: true }],
    ['auth', { auth: { users: { ann: { password: 'x' } } } }],
  ])('is taken with %s', async (_title, options) => {
    expect(await compileError({ listeners: [listener()], ...options })).toBeUndefined();
  });
});

describe('imports of forRoot', () => {
  const start = apps();

  @Injectable()
  class Users {
    readonly names = ['ann'];
  }
  @Module({ providers: [Users], exports: [Users] })
  class UsersModule {}
  @Injectable()
  class UsersAuth extends Auth {
    constructor(private readonly users: Users) {
      super();
    }

    override authenticate({ username }: Login): boolean {
      return this.users.names.includes(username ?? '');
    }
  }

  it('are where an auth class finds what it depends on', async () => {
    const options = { port: 0, host: '127.0.0.1', auth: UsersAuth, imports: [UsersModule] };
    const { app, open } = await start({ mqttd: options });

    expect(await (await open()).connect({ username: 'bob' })).toMatchObject({ reasonCode: 0x86 });
    await accepted(await openClient(portOf(app)), { username: 'ann' });
  });
});
