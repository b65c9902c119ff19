import type { TlsOptions } from 'node:tls';
import type { UserEntry } from './auth/credentials.auth.js';
import type { JwtAuthOptions } from './auth/jwt.auth.js';
import type { TopicRules } from './auth/topic-rules.js';
import type { Auth } from './broker/auth.js';
import { defaultCapabilities, type Capabilities } from './broker/capabilities.js';
import { defaultLimits, type Limits } from './broker/limits.js';
import type { Listener } from './broker/listener.js';
import type { Router } from './broker/router.js';
import { shareStrategyNames, type ShareStrategy, type ShareStrategyName } from './broker/share-strategy.js';
import type { Store } from './broker/store.js';
import { invalidOption, isObject, shown } from './mqttd.errors.js';
import type { MQTTdPart } from './mqttd.parts.js';
import type { LmdbStoreOptions } from './stores/lmdb.store.js';
import { defaultNodeOptions, type RedisRouterOptions } from './redis/redis-options.js';

/** Key, certificates and authorities as PEM text, or as the path of a PEM file; all else as in `node:tls`. */
export interface MQTTdTlsOptions extends Omit<TlsOptions, 'key' | 'cert' | 'ca'> {
  readonly key?: string | Buffer | undefined;
  readonly cert?: string | Buffer | undefined;
  /** Authorities that sign client certificates; with it, `requestCert: true` asks clients for one. */
  readonly ca?: string | Buffer | readonly (string | Buffer)[] | undefined;
  /** Other certificates by the host name that a client asks for (SNI), `*.example.com` included. */
  readonly servers?:
    Readonly<Record<string, { readonly key: string | Buffer; readonly cert: string | Buffer }>> | undefined;
}

/** One address to listen on. */
export interface MQTTdAddress {
  /** Default 1883, with TLS 8883; 0 takes a free port. */
  readonly port?: number | undefined;
  /** Default every address when there is `auth` or `allowAnonymous`, else 127.0.0.1. */
  readonly host?: string | undefined;
}

/** What holds for the clients of one listener; where it says nothing, what holds for the whole broker. */
export interface MQTTdEntranceOptions {
  /** What log, metrics and handlers (`client.listener`) call it. Default its URL. */
  readonly name?: string | undefined;
  readonly auth?: MQTTdOptions['auth'];
  /** Lets everybody in who comes this way. Default false. */
  readonly allowAnonymous?: boolean | undefined;
  /** Bounds of connections; those of what is kept (queues, retained messages) are the broker's alone. */
  readonly limits?: Partial<Limits> | undefined;
  /** Stands in front of all topics and filters of its clients, who do not see it and reach nothing beside it: `tenants/a/`. */
  readonly mountPoint?: string | undefined;
}

/** Behind a proxy that says for whom it connects. */
export interface MQTTdProxied {
  /**
   * Addresses and networks of proxies (`10.0.0.0/8`): nobody else may connect, and each connection begins with a header of the
   * PROXY protocol, version 1 or 2, before TLS. Address and certificate name of the client are taken from it.
   */
  readonly proxies?: readonly string[] | undefined;
}

/** MQTT over WebSocket; needs the package `ws`. */
export interface MQTTdWebSocketOptions extends MQTTdTlsOptions {
  /** 0 takes a free port. Without a port: the HTTP server of the application. */
  readonly port?: number | undefined;
  /** As for TCP; only beside `port`. */
  readonly host?: string | undefined;
  /** Default `/mqtt`. */
  readonly path?: string | undefined;
  /**
   * Pages that may connect, by what browsers send as Origin: `https://app.example.com`, or `*` for all. Default those from the
   * host that they connect to.
   */
  readonly origins?: readonly string[] | undefined;
}

/** A Unix domain socket. */
export interface MQTTdUnixOptions {
  readonly path: string;
  /** Permissions of the file: 0o660. Default what the process's umask leaves. */
  readonly mode?: number | undefined;
}

/** Where one listener listens: `{ tcp: { port } }`, `{ tls: { port, key, cert } }`, `{ ws: { port } }`, `{ unix: { path } }`. */
export type MQTTdPlace =
  | { readonly tcp: MQTTdAddress & MQTTdProxied }
  | { readonly tls: MQTTdAddress & MQTTdProxied & MQTTdTlsOptions }
  | { readonly ws: MQTTdWebSocketOptions }
  | { readonly unix: MQTTdUnixOptions };

/** One listener: where, and what holds there; or a Listener of your own. */
export type MQTTdListenerOptions = (MQTTdPlace & MQTTdEntranceOptions) | Listener;

/** DI token of the options. */
export const MQTTD_OPTIONS = Symbol.for('nestjs-mqttd:options');

export interface MQTTdOptions extends MQTTdAddress {
  /** The short form for one listener that speaks TLS only; with `port` and `host` beside it. */
  readonly tls?: MQTTdTlsOptions | undefined;
  /** Several listeners; not together with `port`, `host` and `tls`. */
  readonly listeners?: readonly MQTTdListenerOptions[] | undefined;
  /** Who may connect, publish and subscribe: users with their passwords, JSON Web Tokens, or an Auth of your own. */
  readonly auth?:
    | {
        readonly users: Readonly<Record<string, UserEntry>>;
        /** For users without rules of their own. */
        readonly rules?: TopicRules | undefined;
        /** Lets clients in whose certificate the listener has verified, as the user of its common name. Default false. */
        readonly certificates?: boolean | undefined;
      }
    | { readonly jwt: JwtAuthOptions }
    | MQTTdPart<Auth>
    | undefined;
  /**
   * A configuration file of curl's own MQTT test server, for people who test MQTT clients: while it has any key but `version`,
   * connections misbehave as it says. Read again for each connection; where there is no such file all is as usual.
   */
  readonly configFile?: string | undefined;
  /** Where the files `testN` are that `Testnum` in the `configFile` names. Default the folder of that file. */
  readonly logDirectory?: string | undefined;
  /** Lets everybody connect, from everywhere. Default false: without `auth` only this machine can. */
  readonly allowAnonymous?: boolean | undefined;
  /** Takes messages to subscribers. Default DirectRouter: in memory. */
  readonly router?: MQTTdPart<Router> | undefined;
  /**
   * Makes this application one of several nodes around a Redis: `{ host, port }`, `{ url }`, `{ sentinels, name }` or
   * `{ cluster }`, and `keyPrefix`, `nodeId`. It is the short form of `router: new RedisRouter({ ... })` with
   * `store: new RedisStore()`, and needs the package `ioredis`.
   */
  readonly redis?: RedisRouterOptions | undefined;
  /**
   * What survives a restart. Default MemoryStore, which keeps nothing; with `redis` a RedisStore. `{ path }` is a folder on
   * this machine: the short form of an LmdbStore, which needs the package `lmdb`.
   */
  readonly store?: LmdbStoreOptions | MQTTdPart<Store> | undefined;
  /** Bounds; each has a default. */
  readonly limits?: Partial<Limits> | undefined;
  /** What MQTT 5 clients are offered; everything unless switched off. */
  readonly capabilities?: Partial<Capabilities> | undefined;
  /** Who of a Shared Subscription gets a message: a name, or a function. Default `roundRobin`. */
  readonly shareStrategy?: ShareStrategyName | ShareStrategy | undefined;
  /** Milliseconds that a call of a handler may take before it counts as failed. Default 30,000. */
  readonly handlerTimeoutMs?: number | undefined;
  /** Calls of one handler at the same time; further ones wait for their turn. Default 1,000. */
  readonly handlerConcurrency?: number | undefined;
  /**
   * Publishes counters as retained messages below `$SYS/broker/`, with Mosquitto's names: each node its own. `intervalMs`
   * defaults to 10,000. Default false. Who may read them is the Auth's affair.
   */
  readonly sysTopics?: boolean | { readonly intervalMs?: number | undefined } | undefined;
  /** Whether global guards, pipes, interceptors and filters of the application apply to handlers. Default true. */
  readonly inheritAppConfig?: boolean | undefined;
}

const knownOptions: Readonly<Record<keyof MQTTdOptions, true>> = {
  port: true,
  host: true,
  tls: true,
  listeners: true,
  auth: true,
  allowAnonymous: true,
  configFile: true,
  logDirectory: true,
  router: true,
  redis: true,
  store: true,
  limits: true,
  capabilities: true,
  shareStrategy: true,
  handlerTimeoutMs: true,
  handlerConcurrency: true,
  sysTopics: true,
  inheritAppConfig: true,
};

/**
 * Looks at everything that can be wrong before anything is started.
 * @throws MQTTdUsageError
 */
export function checkOptions(options: MQTTdOptions): void {
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(knownOptions, name)) {
      throw invalidOption(`${name}: there is no such option; the options are ${Object.keys(knownOptions).join(', ')}`);
    }
  }
  checkLimits(options.limits, 'limits');
  for (const [name, value] of Object.entries(options.capabilities ?? {})) checkCapability(name, value);
  const { shareStrategy } = options;
  if (typeof shareStrategy === 'string' && !shareStrategyNames.includes(shareStrategy)) {
    throw invalidOption(`shareStrategy: ${shown(shareStrategy)}; use ${shareStrategyNames.join(', ')}, or a function`);
  }
  if (options.listeners && (options.port !== undefined || options.host !== undefined || options.tls)) {
    throw invalidOption('listeners: cannot stand beside port, host or tls; put those into an entry of listeners');
  }
  if (options.listeners?.length === 0) throw invalidOption('listeners: is empty; leave it out to listen on port 1883');
  if (options.auth && options.allowAnonymous) {
    throw invalidOption('allowAnonymous: true would make auth meaningless; leave one of them out');
  }
  for (const name of ['handlerTimeoutMs', 'handlerConcurrency'] as const) {
    const value = options[name];
    if (value !== undefined && !(Number.isInteger(value) && value >= 1 && value <= 0x7fff_ffff)) {
      throw invalidOption(`${name}: ${shown(value)}; use a whole number from 1 to 2147483647`);
    }
  }
  for (const name of ['configFile', 'logDirectory'] as const) {
    const value: unknown = options[name];
    if (value !== undefined && (typeof value !== 'string' || value === ''))
      throw invalidOption(`${name}: ${shown(value)}; use a path`);
  }
  if (options.logDirectory !== undefined && options.configFile === undefined)
    throw invalidOption('logDirectory: means nothing without configFile; leave it out');
  const { sysTopics } = options;
  const interval: unknown = typeof sysTopics === 'object' ? sysTopics.intervalMs : undefined;
  if (interval !== undefined && !(Number.isInteger(interval) && Number(interval) >= 100)) {
    throw invalidOption(`sysTopics.intervalMs: ${shown(interval)}; use a whole number from 100 on`);
  }
  if (options.redis) checkRedis(options.redis, options.router);
}

/** @param path of the limits among the options */
export function checkLimits(limits: Partial<Limits> | undefined, path: string): void {
  for (const [name, value] of Object.entries(limits ?? {})) checkLimit(name, value, path);
}

function checkLimit(name: string, value: unknown, path: string): void {
  if (!Object.hasOwn(defaultLimits, name)) {
    throw invalidOption(
      `${path}.${name}: there is no such limit; the limits are ${Object.keys(defaultLimits).join(', ')}`,
    );
  }
  if (value === undefined) return;
  if (name === 'onQueueFull') {
    if (value === 'dropNewest' || value === 'dropOldest' || value === 'refuse') return;
    throw invalidOption(`${path}.onQueueFull: ${shown(value)}; use 'dropNewest', 'dropOldest' or 'refuse'`);
  }
  const [least, most] = limitRanges[name] ?? [0, Number.MAX_SAFE_INTEGER];
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
    throw invalidOption(`${path}.${name}: ${shown(value)}; use a whole number from ${least} to ${most}`);
  }
}

function checkCapability(name: string, value: unknown): void {
  if (!Object.hasOwn(defaultCapabilities, name)) {
    const names = Object.keys(defaultCapabilities).join(', ');
    throw invalidOption(`capabilities.${name}: there is no such capability; the capabilities are ${names}`);
  }
  if (name === 'maximumQoS' && value !== undefined && ![0, 1, 2].includes(value as number)) {
    throw invalidOption(`capabilities.maximumQoS: ${shown(value)}; use 0, 1 or 2`);
  }
}

function checkRedis(redis: RedisRouterOptions, router: MQTTdOptions['router']): void {
  if (!isObject(redis)) {
    throw invalidOption(`redis: ${shown(redis)}; use { host, port }, { url }, { sentinels, name } or { cluster }`);
  }
  if (router) throw invalidOption('redis: cannot stand beside router; use router: new RedisRouter({ ... }) alone');
  const names = Object.keys(redisNames);
  for (const [name, value] of Object.entries(redis)) {
    if (!names.includes(name)) {
      throw invalidOption(`redis.${name}: there is no such option; the options are ${names.join(', ')}`);
    }
    const isNumber = typeof defaultNodeOptions[name as 'leaseMs'] === 'number' || name === 'port' || name === 'db';
    const least = name === 'db' || name === 'minimumReplicas' ? 0 : 1;
    if (isNumber && value !== undefined && !(Number.isInteger(value) && Number(value) >= least)) {
      throw invalidOption(`redis.${name}: ${shown(value)}; use a whole number from ${least} on`);
    }
  }
  checkRedisServer(redis);
  const { keyPrefix, leaseMs = defaultNodeOptions.leaseMs, heartbeatMs = defaultNodeOptions.heartbeatMs } = redis;
  // A brace would make every key of a Redis Cluster stand in one slot, or in the wrong one.
  if (keyPrefix !== undefined && (typeof keyPrefix !== 'string' || !/^[^{}]+$/.test(keyPrefix))) {
    throw invalidOption(`redis.keyPrefix: ${shown(keyPrefix)}; use a text without braces`);
  }
  if (leaseMs < 2 * heartbeatMs) {
    throw invalidOption(`redis.leaseMs: ${leaseMs}; use at least twice redis.heartbeatMs (${heartbeatMs})`);
  }
}

function checkRedisServer(redis: RedisRouterOptions): void {
  const isGiven = (name: keyof RedisRouterOptions) => redis[name] !== undefined;
  for (const [place, others] of Object.entries(contradictions)) {
    const other = isGiven(place as 'url') && others.find(isGiven);
    if (other) throw invalidOption(`redis.${other}: cannot stand beside redis.${place}; leave one of them out`);
  }
  for (const place of ['sentinels', 'cluster'] as const) {
    const addresses: unknown = redis[place];
    if (addresses === undefined) continue;
    if (!Array.isArray(addresses) || addresses.length === 0 || !addresses.every(isAddress)) {
      throw invalidOption(`redis.${place}: ${shown(addresses)}; use a list of { host, port }`);
    }
  }
  if (redis.sentinels && (typeof redis.name !== 'string' || redis.name === '')) {
    throw invalidOption(
      "redis.name: is missing; beside redis.sentinels it says what they call the master, as 'mymaster'",
    );
  }
  const lone = (['name', 'sentinelUsername', 'sentinelPassword', 'sentinelTLS'] as const).find(isGiven);
  if (lone && !redis.sentinels)
    throw invalidOption(`redis.${lone}: means nothing without redis.sentinels; leave it out`);
  for (const name of ['tls', 'sentinelTLS'] as const) {
    if (isGiven(name) && !isObject(redis[name])) {
      throw invalidOption(`redis.${name}: ${shown(redis[name])}; use the options of node:tls, {} for none of them`);
    }
  }
}

/** What says the same as another option, or nothing beside it. */
const contradictions: Readonly<Record<string, readonly (keyof RedisRouterOptions)[]>> = {
  url: ['host', 'port', 'db', 'username', 'password', 'sentinels', 'cluster'],
  sentinels: ['host', 'port', 'cluster'],
  cluster: ['host', 'port', 'db'],
};

const isAddress = (value: unknown): boolean => {
  const { host, port } = (value ?? {}) as { host?: unknown; port?: unknown };
  return typeof host === 'string' && host !== '' && Number.isInteger(port) && Number(port) > 0;
};

const redisNames: Readonly<Record<keyof RedisRouterOptions, true>> = {
  url: true,
  host: true,
  port: true,
  sentinels: true,
  name: true,
  sentinelUsername: true,
  sentinelPassword: true,
  sentinelTLS: true,
  cluster: true,
  db: true,
  username: true,
  password: true,
  tls: true,
  keyPrefix: true,
  nodeId: true,
  leaseMs: true,
  heartbeatMs: true,
  commandTimeoutMs: true,
  retryMs: true,
  logEntries: true,
  claimMs: true,
  maximumInletFrames: true,
  sweepMs: true,
  minimumReplicas: true,
  maximumUnsentBytes: true,
};

/** What fits into the packets that carry it. */
const limitRanges: Readonly<Record<string, readonly [least: number, most: number]>> = {
  connectTimeoutMs: [1, 0x7fff_ffff],
  maximumConnectSize: [64, 0x1000_0004],
  maximumPacketSize: [64, 0x1000_0004],
  receiveMaximum: [1, 65_535],
  maximumInFlight: [1, 65_535],
  maximumInFlightBytes: [1, Number.MAX_SAFE_INTEGER],
  topicAliasMaximum: [0, 65_535],
  sentTopicAliases: [0, 65_535],
  maximumOutboxBytes: [65_536, Number.MAX_SAFE_INTEGER],
  maximumSessionExpiry: [0, 0xffff_ffff],
  maximumKeepAlive: [0, 65_535],
};
