import { afterEach, describe, expect, it } from '@jest/globals';
import { Inject, Injectable, Module, type DynamicModule, type OnModuleInit } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import {
  Auth,
  DirectRouter,
  MemoryStore,
  MQTTdBroker,
  MQTTdModule,
  Router,
  type Login,
  type MQTTdOptions,
  type MQTTdPart,
} from 'nestjs-mqttd';
import { openClient, portOf } from '../support/nest-app.js';

const running: TestingModule[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((module) => module.close()));
});

async function start(...imports: DynamicModule[]): Promise<TestingModule> {
  const module = await Test.createTestingModule({ imports }).compile();
  running.push(module);
  await module.init();
  return module;
}

const NAMES = Symbol('names');

/** Its names come late, as from a database. */
@Module({
  providers: [{ provide: NAMES, useFactory: () => new Promise((resolve) => setImmediate(() => resolve(['ann']))) }],
  exports: [NAMES],
})
class NamesModule {}

@Injectable()
class NamesAuth extends Auth implements OnModuleInit {
  isInitialized = false;

  constructor(@Inject(NAMES) private readonly names: readonly string[]) {
    super();
  }

  onModuleInit(): void {
    this.isInitialized = true;
  }

  override authenticate({ username = '' }: Login): boolean {
    return this.names.includes(username);
  }
}

@Module({ imports: [NamesModule], providers: [NamesAuth], exports: [NamesAuth, NamesModule] })
class AuthModule {}

class Elsewhere {}
@Injectable()
class NeedsMore extends DirectRouter {
  constructor(readonly elsewhere: Elsewhere) {
    super();
  }
}

const local = { port: 0, host: '127.0.0.1' };
const shapes: [string, MQTTdPart<Auth>][] = [
  ['a class', NamesAuth],
  ['useClass', { useClass: NamesAuth }],
  ['useExisting', { useExisting: NamesAuth }],
  ['useValue', { useValue: new NamesAuth(['ann']) }],
  ['useFactory', { useFactory: () => new NamesAuth(['ann']) }],
  ['useFactory with inject', { useFactory: (names: string[]) => new NamesAuth(names), inject: [NAMES] }],
  [
    'an asynchronous useFactory with what may be missing',
    {
      useFactory: async (names: string[], missing: unknown) => new NamesAuth(missing === undefined ? names : []),
      inject: [
        { token: NAMES, optional: false },
        { token: 'nowhere', optional: true },
      ],
    },
  ],
];

describe.each([
  ['forRoot', (options: MQTTdOptions) => MQTTdModule.forRoot({ ...options, imports: [AuthModule] })],
  ['forRootAsync', (options: MQTTdOptions) => MQTTdModule.forRootAsync({ imports: [AuthModule], useFactory: async () => options })], // prettier-ignore
])('a part of the broker in %s', (_, moduleOf) => {
  it.each(shapes)('is given as %s', async (__, auth) => {
    const module = await start(moduleOf({ ...local, auth }));

    const stranger = await openClient(portOf(module));
    expect(await stranger.connect({ username: 'bob' })).toMatchObject({ reasonCode: 0x86 });
    const client = await openClient(portOf(module));
    expect(await client.connect({ username: 'ann' })).toMatchObject({ reasonCode: 0 });
  });

  it('is the very provider that useExisting names', async () => {
    const module = await start(moduleOf({ ...local, auth: { useExisting: NamesAuth } }));

    const { auth } = module.get(MQTTdBroker);
    expect(auth).toBe(module.get(NamesAuth, { strict: false }));
    expect((auth as NamesAuth).isInitialized).toBe(true);
  });

  it('may be the router or the store', async () => {
    class OwnRouter extends DirectRouter {}
    const store = new MemoryStore();

    const module = await start(moduleOf({ ...local, router: { useClass: OwnRouter }, store: { useFactory: () => store } })); // prettier-ignore

    const broker = module.get(MQTTdBroker);
    expect(broker.router).toBeInstanceOf(OwnRouter);
    expect(broker.store).toBe(store);
    expect(module.get(Router, { strict: false })).toBe(broker.router);
  });

  it.each<[string, object, RegExp]>([
    ['a useExisting that nobody provides', { auth: { useExisting: 'Nobody' } }, /^auth: cannot find Nobody; name the module that exports it in imports, beside the options$/], // prettier-ignore
    ['a class whose dependency is nowhere', { router: { useClass: NeedsMore } }, /^router: cannot find Elsewhere; name the module/], // prettier-ignore
    ['a factory that gives something else', { router: { useFactory: () => new MemoryStore() } }, /^router: cannot be used; give a RedisRouter, or a Router of your own: as an instance/], // prettier-ignore
    ['an object of no such shape', { store: { class: MemoryStore } }, /^store: cannot be used; give \{ path: ... \}, a RedisStore, or a Store of your own: as an instance, as a class, or by \{ useClass \}/], // prettier-ignore
    ['a factory that fails', { auth: { useFactory: () => Promise.reject(new Error('no directory')) } }, /^no directory$/], // prettier-ignore
  ])('is an error at start-up for %s', async (__, options, message) => {
    await expect(start(moduleOf({ ...local, ...options }))).rejects.toThrow(message);
  });
});
