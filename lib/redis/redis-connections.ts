import type { Cluster, Redis, RedisOptions } from 'ioredis';
import { optionalPackage } from '../broker/optional-package.js';
import type { RedisAddress, RedisServerOptions } from './redis-options.js';
import { messageOf } from '../broker/error-text.js';

export type RedisConnection = Redis | Cluster;

/**
 * Makes connections, none of which comes back by itself; they are not connected yet.
 *
 * To a single server, to the master that Sentinels name, or to all masters of a Redis Cluster; there ioredis follows slots
 * that move to another server, but gives up a command that a server did not answer.
 */
export interface RedisConnections {
  readonly isCluster: boolean;
  /** @param timeoutMs milliseconds that each command may take; none for what blocks */
  make(timeoutMs?: number): RedisConnection;
  /** To one server of a Redis Cluster. */
  makeTo(address: RedisAddress, timeoutMs: number): Redis;
}

/** @param connectTimeoutMs milliseconds that a server may take to accept a connection */
export async function redisConnections(
  server: RedisServerOptions,
  connectTimeoutMs: number,
): Promise<RedisConnections> {
  const { Redis: Single } = await optionalPackage('redis', 'ioredis', () => import('ioredis'));
  const { cluster, sentinels, url } = server;
  const common = commonOptions(server, connectTimeoutMs);
  const makeTo = ({ host, port }: RedisAddress, commandTimeout: number) =>
    new Single({ ...common, host, port, commandTimeout });
  if (cluster) {
    const make = (commandTimeout?: number) =>
      new Single.Cluster([...cluster], {
        ...clusterOptions(connectTimeoutMs),
        redisOptions: { ...common, commandTimeout },
      });
    return { isCluster: true, make, makeTo };
  }
  const { host = '127.0.0.1', port = 6379 } = server;
  const place = sentinels ? sentinelOptions(server, connectTimeoutMs) : url === undefined ? { host, port } : {};
  const make = (commandTimeout?: number) => {
    const options = { ...common, ...place, commandTimeout };
    return url === undefined ? new Single(options) : new Single(url, options);
  };
  return { isCluster: false, make, makeTo };
}

const commonOptions = ({ db, username, password, tls }: RedisServerOptions, connectTimeout: number): RedisOptions => ({
  ...defined({ db, username, password, tls }),
  // The same replies from ioredis 5 and 6.
  protocol: 2,
  lazyConnect: true,
  retryStrategy: () => null,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  connectTimeout,
});

const sentinelOptions = (server: RedisServerOptions, timeoutMs: number): RedisOptions => {
  const { sentinels, name, sentinelUsername, sentinelPassword, sentinelTLS, tls } = server;
  return {
    ...defined({ name, sentinelUsername, sentinelPassword, sentinelTLS }),
    sentinels: [...sentinels!],
    enableTLSForSentinelMode: tls !== undefined,
    sentinelRetryStrategy: () => null,
    sentinelCommandTimeout: timeoutMs,
  };
};

const clusterOptions = (timeoutMs: number) => ({
  lazyConnect: true,
  clusterRetryStrategy: () => null,
  // What a server was sent and has not answered counts as unknown: neither repeated nor overtaken.
  retryDelayOnFailover: 0,
  retryDelayOnClusterDown: 0,
  maxRedirections,
  // All attempts together stay well below the time that a command may take.
  retryDelayOnTryAgain: Math.ceil(timeoutMs / 4 / maxRedirections),
  slotsRefreshTimeout: timeoutMs,
  // Names stay names: certificates are for them.
  dnsLookup: (address: string, callback: (error: null, address: string) => void) => callback(null, address),
});

const maxRedirections = 16;

const defined = <T extends object>(options: T): Partial<T> =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>;

/** Names the option where Redis was not found, and what to do about it. */
export function unreachable(server: RedisServerOptions, error: unknown): Error {
  const reason = messageOf(error);
  const text = `${placeOf(server)} cannot be used (${reason}); ${remedyOf(reason)}`;
  return Object.assign(new Error(text, { cause: error }), { code: 'REDIS_UNREACHABLE' });
}

function remedyOf(reason: string): string {
  if (/^(MOVED|ASK) /.test(reason)) return 'this is a Redis Cluster: name some of its servers with redis.cluster';
  if (/ replica\(s\) /.test(reason)) return 'start replicas, or lower redis.minimumReplicas';
  return 'start Redis there, or correct the option';
}

function placeOf({ url, cluster, sentinels, name, host = '127.0.0.1', port = 6379 }: RedisServerOptions): string {
  if (cluster) return `redis.cluster: ${listOf(cluster)}`;
  if (sentinels) return `redis.sentinels: the master '${name}' of ${listOf(sentinels)}`;
  // Not the URL itself: it may hold a password.
  return url === undefined ? `redis.host: ${host}:${port}` : 'redis.url: the server named there';
}

const listOf = (addresses: readonly RedisAddress[]): string =>
  addresses.map(({ host, port }) => `${host}:${port}`).join(', ');
