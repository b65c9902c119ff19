import { Inject, Injectable, Optional, type FactoryProvider, type InjectionToken, type Type } from '@nestjs/common';
import type { ModuleRef } from '@nestjs/core';
import { AllowAllAuth } from './auth/allow-all.auth.js';
import { CredentialsAuth } from './auth/credentials.auth.js';
import { JwtAuth, type JwtAuthOptions } from './auth/jwt.auth.js';
import { Auth } from './broker/auth.js';
import { Router } from './broker/router.js';
import { Store } from './broker/store.js';
import { checkNames, invalidOption, shown } from './mqttd.errors.js';
import { reasonOf } from './mqttd.outcomes.js';
import type { MQTTdOptions } from './mqttd.options.js';
import { DirectRouter } from './routers/direct.router.js';
import { RedisRouter } from './routers/redis.router.js';
import { LmdbStore, type LmdbStoreOptions } from './stores/lmdb.store.js';
import { MemoryStore } from './stores/memory.store.js';
import { RedisStore } from './stores/redis.store.js';

/**
 * How an application gives the broker one of its parts: an instance, a class, or what Nest takes for a provider.
 *
 * Classes are made by Nest with what they inject; that, `useExisting` and `inject` are found where `imports` beside the
 * options, or a global module, export them. What is made here gets none of Nest's life cycle hooks: a Router and a Store
 * have `open` and `close`.
 */
export type MQTTdPart<T> =
  | T
  | Type<T>
  | { readonly useValue: T }
  | { readonly useClass: Type<T> }
  | { readonly useExisting: InjectionToken }
  | {
      // oxlint-disable-next-line typescript/no-explicit-any -- as in Nest's FactoryProvider
      readonly useFactory: (...dependencies: any[]) => T | Promise<T>;
      readonly inject?: FactoryProvider['inject'];
    };

/** @throws MQTTdUsageError (as a rejection), or what a factory throws */
export const makeAuth = async (
  { auth }: Pick<MQTTdOptions, 'auth'>,
  moduleRef: ModuleRef,
  path = 'auth',
): Promise<Auth> => {
  if (auth === undefined) return new AllowAllAuth();
  if (isShortForm(auth)) return 'jwt' in auth ? withTokens(auth, path) : withUsers(auth, path);
  return make(path, 'auth', Auth, auth, moduleRef);
};

/** @throws MQTTdUsageError (as a rejection), or what a factory throws */
export const makeRouter = ({ router, redis }: MQTTdOptions, moduleRef: ModuleRef): Promise<Router> =>
  make('router', 'router', Router, router ?? (redis ? new RedisRouter(redis) : new DirectRouter()), moduleRef);

/**
 * With `redis` sessions are shared unless told otherwise.
 * @throws MQTTdUsageError (as a rejection), or what a factory throws
 */
export const makeStore = ({ store, redis }: MQTTdOptions, moduleRef: ModuleRef): Promise<Store> =>
  isOnDisk(store)
    ? Promise.resolve(explained('store', () => diskStore(store)))
    : make('store', 'store', Store, store ?? (redis ? new RedisStore() : new MemoryStore()), moduleRef);

const isOnDisk = (store: MQTTdOptions['store']): store is LmdbStoreOptions =>
  typeof store === 'object' && store !== null && !(store instanceof Store) && 'path' in store;

function diskStore(options: LmdbStoreOptions): LmdbStore {
  checkNames(options, ['path', 'durability'], 'store');
  const { path, durability } = options;
  if (typeof path !== 'string' || path === '')
    throw new TypeError(`store.path: ${shown(path)}; use the path of a folder`);
  if (durability !== undefined && durability !== 'commit' && durability !== 'fsync') {
    throw new TypeError(`store.durability: ${shown(durability)}; use 'commit' or 'fsync'`);
  }
  return new LmdbStore(options);
}

/** @throws MQTTdUsageError for a store that cannot stand beside the router, or cannot do what a limit asks for */
export function checkParts(router: Router, store: Store, { limits }: MQTTdOptions): void {
  if (store instanceof RedisStore && limits?.onQueueFull === 'refuse') {
    throw invalidOption(
      "limits.onQueueFull: 'refuse' needs to know every queue when a message comes, and those in Redis are not known; " +
        "use 'dropNewest' or 'dropOldest'",
    );
  }
  if (store instanceof LmdbStore && router instanceof RedisRouter) {
    throw invalidOption('store: what one node keeps in a file cannot stand beside redis; leave one of them out');
  }
  if (store instanceof RedisStore && !(router instanceof RedisRouter)) {
    throw invalidOption(
      'store: a RedisStore needs a RedisRouter beside it; set redis: { ... }, or router: new RedisRouter()',
    );
  }
}

/** @param option where it stands among the options */
async function make<T extends object>(
  option: string,
  seam: keyof typeof remedies,
  kind: abstract new () => T,
  part: MQTTdPart<T>,
  moduleRef: ModuleRef,
): Promise<T> {
  const made = await provide(option, part, moduleRef);
  if (made instanceof kind) return made;
  // What was given instead is not shown: it may be a password.
  throw invalidOption(`${option}: cannot be used; give ${remedies[seam]}: as an instance, as a class, or ${shapes}`);
}

const remedies = {
  auth: '{ users: { ... } }, { jwt: { ... } }, or an Auth of your own',
  router: 'a RedisRouter, or a Router of your own',
  store: '{ path: ... }, a RedisStore, or a Store of your own',
} as const;

const shapes = 'by { useClass }, { useExisting }, { useValue } or { useFactory, inject }';

async function provide<T>(option: string, part: MQTTdPart<T>, moduleRef: ModuleRef): Promise<unknown> {
  if (typeof part === 'function') return explaining(option, moduleRef.create(part as Type<T>));
  if (typeof part !== 'object' || part === null) return part;
  if ('useValue' in part) return part.useValue;
  if ('useClass' in part) return explaining(option, moduleRef.create(part.useClass));
  if ('useExisting' in part) return (await explaining(option, injected([part.useExisting], moduleRef)))[0];
  if ('useFactory' in part) {
    const dependencies = await explaining(option, injected(part.inject ?? [], moduleRef));
    return part.useFactory(...dependencies);
  }
  return part;
}

/** What Nest would inject into a constructor with these parameters, made by then. */
async function injected(tokens: NonNullable<FactoryProvider['inject']>, moduleRef: ModuleRef): Promise<unknown[]> {
  class Dependencies {
    readonly values: unknown[];

    constructor(...values: unknown[]) {
      this.values = values;
    }
  }
  Injectable()(Dependencies);
  Reflect.defineMetadata('design:paramtypes', Array<unknown>(tokens.length).fill(Object), Dependencies);
  for (const [index, given] of tokens.entries()) {
    const isOptional = typeof given === 'object' && 'optional' in given;
    Inject(isOptional ? given.token : given)(Dependencies, undefined, index);
    if (isOptional && given.optional) Optional()(Dependencies, undefined, index);
  }
  return (await moduleRef.create(Dependencies)).values;
}

/** Nest says what it misses, but not where to put it. */
async function explaining<T>(option: string, made: Promise<T>): Promise<T> {
  try {
    return await made;
  } catch (error) {
    const missing = /^Nest can't resolve .* argument "?(?<token>.+?)"? at index/.exec(reasonOf(error));
    if (!missing) throw error;
    const { token } = missing.groups!;
    const remedy = 'name the module that exports it in imports, beside the options';
    throw invalidOption(`${option}: cannot find ${token}; ${remedy}`, { cause: error });
  }
}

type UsersOption = Extract<NonNullable<MQTTdOptions['auth']>, { readonly users: unknown }>;
type TokensOption = Extract<NonNullable<MQTTdOptions['auth']>, { readonly jwt: unknown }>;

const isShortForm = (auth: unknown): auth is UsersOption | TokensOption =>
  typeof auth === 'object' && auth !== null && !(auth instanceof Auth) && ('users' in auth || 'jwt' in auth);

function withUsers({ users, rules, certificates = false }: UsersOption, path: string): Auth {
  const isEmpty = typeof users !== 'object' || users === null || Object.keys(users).length === 0;
  // Certificates may be all that anybody has.
  if (isEmpty && !(certificates && users)) {
    throw invalidOption(`${path}.users: is empty; name at least one user, as in { users: { alice: 'scrypt$...' } }`);
  }
  return explained(path, () => new CredentialsAuth(users, rules, certificates));
}

const withTokens = ({ jwt }: TokensOption, path: string): Auth =>
  explained(path, () => {
    checkNames(jwt ?? {}, Object.keys(jwtNames), 'auth.jwt');
    return new JwtAuth(jwt ?? {});
  });

const jwtNames: Readonly<Record<keyof JwtAuthOptions, true>> = {
  secret: true,
  publicKey: true,
  jwksUri: true,
  algorithms: true,
  issuer: true,
  audience: true,
  usernameClaim: true,
  clientIdClaim: true,
  rulesClaim: true,
  rules: true,
  clockToleranceSeconds: true,
};

/** Its errors say `auth` for where it stands among the options. */
function explained<T>(path: string, makePart: () => T): T {
  try {
    return makePart();
  } catch (error) {
    throw invalidOption(reasonOf(error).replace(/^auth\b/, path));
  }
}
