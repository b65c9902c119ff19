import { createHash } from 'node:crypto';
import type { ConnectionOptions } from 'node:tls';
import { sessionKeys, type SessionKeys } from './session-scripts.js';

/** Where a server listens. */
export interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

/**
 * Where Redis is: `{ url }`, `{ host, port }`, `{ sentinels, name }` or `{ cluster }`; beside it what all of its servers
 * want to know of a client. The names are those of ioredis where it has them.
 */
export interface RedisServerOptions {
  /** `redis://user:password@host:port/db`, or `rediss://` for TLS. */
  readonly url?: string | undefined;
  /** Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** Default 6379. */
  readonly port?: number | undefined;
  /** Redis Sentinel: where Sentinels listen that know the master; with `name`. */
  readonly sentinels?: readonly RedisAddress[] | undefined;
  /** What the Sentinels call the master. */
  readonly name?: string | undefined;
  readonly sentinelUsername?: string | undefined;
  readonly sentinelPassword?: string | undefined;
  /** For the connections to the Sentinels, as in `node:tls`. Default: no TLS. */
  readonly sentinelTLS?: ConnectionOptions | undefined;
  /** Redis Cluster: where some of its servers listen; they name the others. */
  readonly cluster?: readonly RedisAddress[] | undefined;
  /** Number of the database; a Redis Cluster has none. Default 0. */
  readonly db?: number | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** As in `node:tls`. Default: no TLS. */
  readonly tls?: ConnectionOptions | undefined;
}

/** How nodes find each other, and how long they wait for each other. */
export interface RedisNodeOptions {
  /** In front of every key and channel: nodes that share it are one broker. Default `mqttd`. */
  readonly keyPrefix?: string | undefined;
  /** Names the node in logs and keys; what it is called there is unique for each start. Default the host's name. */
  readonly nodeId?: string | undefined;
  /** Milliseconds for which a node that says nothing is still taken for alive. Default 15,000. */
  readonly leaseMs?: number | undefined;
  /** Milliseconds between two signs of life; well below `leaseMs`. Default 4,000. */
  readonly heartbeatMs?: number | undefined;
  /** Milliseconds that Redis may take for a command: then it counts as away. Default 2,000. */
  readonly commandTimeoutMs?: number | undefined;
  /** Milliseconds between two attempts to reach Redis when it is away. Default 500. */
  readonly retryMs?: number | undefined;
  /** Entries that the logs of routes and retained messages keep; who is further behind reads anew. Default 10,000. */
  readonly logEntries?: number | undefined;
  /** Milliseconds that Redis remembers who has a client: longer than any node is without Redis. Default a day. */
  readonly claimMs?: number | undefined;
  /** Frames that wait for a node to read them, beyond which what is meant for it is not acknowledged. Default 100,000. */
  readonly maximumInletFrames?: number | undefined;
  /** Milliseconds between two looks at which wills and session ends are due. Default 1,000. */
  readonly sweepMs?: number | undefined;
  /** Replicas of Redis that must have a message before it is acknowledged; it costs a second round trip. Default 0. */
  readonly minimumReplicas?: number | undefined;
  /** Bytes not yet taken by Redis beyond which QoS 0 for other nodes is dropped. Default 16,777,216. */
  readonly maximumUnsentBytes?: number | undefined;
}

export type RedisRouterOptions = RedisServerOptions & RedisNodeOptions;

export const defaultNodeOptions = {
  keyPrefix: 'mqttd',
  leaseMs: 15_000,
  heartbeatMs: 4000,
  commandTimeoutMs: 2000,
  retryMs: 500,
  logEntries: 10_000,
  claimMs: 86_400_000,
  maximumInletFrames: 100_000,
  sweepMs: 1000,
  minimumReplicas: 0,
  maximumUnsentBytes: 16_777_216,
} as const;

/** Every option of a node with its value. */
export type NodeSettings = { readonly [K in keyof typeof defaultNodeOptions]: K extends 'keyPrefix' ? string : number };

/** What says where Redis is, and with defaults what says how to be a node there. */
export function splitOptions({ nodeId, ...options }: RedisRouterOptions): {
  readonly server: RedisServerOptions;
  readonly settings: NodeSettings;
  readonly nodeId: string | undefined;
} {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const [settings, server] = [{ ...defaultNodeOptions }, {}];
  for (const [name, value] of given) Object.assign(name in defaultNodeOptions ? settings : server, { [name]: value });
  return { server, settings, nodeId };
}

/** What stands for a client in keys: an id may hold whatever it likes, a brace too. */
export const hashOf = (clientId: string): string => createHash('sha256').update(clientId).digest('base64url');

/**
 * The names of everything in Redis.
 *
 * In a Redis Cluster what all nodes share stands in one slot, by the hash tag `{prefix}`, so that one script may touch
 * several of these keys, and one XREAD reads all streams in their order.
 */
export interface RedisKeys {
  /** Set: every node that has not been given up. */
  readonly nodes: string;
  /** Stream: changes of routes. */
  readonly routeLog: string;
  /** Hash: topic -> retained record; its log, and the number of the last change. */
  readonly retained: string;
  readonly retainedLog: string;
  readonly retainedVersion: string;
  /** Counter: the generations of connections. */
  readonly generations: string;
  /** Channel: what every node hears. */
  readonly all: string;
  /** String with a lease: the version of the node's routes. */
  lease(node: string): string;
  /** Hash: filter -> flag. */
  routes(node: string): string;
  /** Channel: the lossy lane to the node. */
  channel(node: string): string;
  /** Stream: the reliable lane to the node. */
  inlet(node: string): string;
  /** String: the generation that has the client. */
  claim(clientHash: string): string;
  /** Hash: client id, NUL, filter -> subscription of a session that outlives its connection; its log, and so on. */
  readonly subscriptions: string;
  readonly subscriptionsLog: string;
  readonly subscriptionsVersion: string;
  /** Sorted set: client id, by when one of its wills or the end of its session is due. */
  readonly due: string;
  /** Set: clients with a session or a will whose connection is on the node. */
  owned(node: string): string;
  /** What there is of one client. */
  sessionOf(clientId: string): SessionKeys;
}

export const redisKeys = (prefix: string): RedisKeys => ({
  nodes: `{${prefix}}:nodes`,
  routeLog: `{${prefix}}:routelog`,
  retained: `{${prefix}}:ret`,
  retainedLog: `{${prefix}}:retlog`,
  retainedVersion: `{${prefix}}:retver`,
  generations: `{${prefix}}:gen`,
  all: `{${prefix}}:all`,
  lease: (node) => `{${prefix}}:node:${node}`,
  routes: (node) => `{${prefix}}:routes:${node}`,
  channel: (node) => `${prefix}:n:${node}`,
  inlet: (node) => `{${prefix}}:in:${node}`,
  subscriptions: `{${prefix}}:dsub`,
  subscriptionsLog: `{${prefix}}:dsublog`,
  subscriptionsVersion: `{${prefix}}:dsubver`,
  due: `{${prefix}}:due`,
  owned: (node) => `{${prefix}}:owned:${node}`,
  sessionOf: (clientId) => sessionKeys(prefix, hashOf(clientId)),
  claim: (clientHash) => `${prefix}:claim:${clientHash}`,
});
