import { randomUUID } from 'node:crypto';
import { afterEach } from '@jest/globals';
import type { BrokerOptions } from '../../lib/broker/broker.js';
import { RedisRouter } from '../../lib/routers/redis.router.js';
import type { RedisRouterOptions, RedisServerOptions } from '../../lib/redis/redis-options.js';
import { AbsentSession } from '../../lib/redis/absent-session.js';
import { RemoteNode } from '../../lib/redis/remote-node.js';
import { RedisStore } from '../../lib/stores/redis.store.js';
import { testRedis, type TestRedis } from './redis.js';
import { startBroker, type TestBroker } from './test-broker.js';

/** A broker that is one of several. */
export interface ClusterNode extends TestBroker {
  readonly router: RedisRouter;
}

export interface Cluster {
  /** Starts one more node whose sessions are those of all: with a RedisStore. */
  startShared(options?: RedisRouterOptions, brokerOptions?: Partial<BrokerOptions>): Promise<ClusterNode>;
  readonly redis: () => TestRedis;
  /** In front of all keys of this test. */
  readonly prefix: () => string;
  /** Starts one more node; stopped after the test. */
  start(options?: RedisRouterOptions, brokerOptions?: Partial<BrokerOptions>): Promise<ClusterNode>;
}

/** Nodes in this process, around one Redis for the file. */
export function cluster(redisOptions?: { keepsOnDisk?: boolean }): Cluster {
  const redis = testRedis(redisOptions);
  return { redis, ...nodesAround(() => ({ port: redis().port })) };
}

/** Nodes in this process, around the Redis that `place` names. */
export function nodesAround(place: () => RedisServerOptions): Omit<Cluster, 'redis'> {
  let prefix = randomUUID();
  const running: ClusterNode[] = [];
  afterEach(async () => {
    await Promise.all(running.splice(0).map((node) => node.stop()));
    prefix = randomUUID();
  });
  const start: Cluster['start'] = async (options = {}, brokerOptions = {}) => {
    // Slow leases unless the test is about them: a busy machine must not look like a dead node.
    const router = new RedisRouter({ ...place(), keyPrefix: prefix, retryMs: 20, ...options });
    const node = { ...(await startBroker({ ...brokerOptions, router })), router };
    running.push(node);
    return node;
  };
  return {
    prefix: () => prefix,
    start,
    startShared: (options, brokerOptions) => start(options, { ...brokerOptions, store: new RedisStore() }),
  };
}

/** Waits until this is so; the other node and Redis need their turns. */
export async function until(isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + 8000;
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error(`did not come true: ${String(isSo)}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Waits until `node` knows how many other nodes want `topic`. */
export const untilWanted = ({ broker }: TestBroker, topic: string, nodes = 1): Promise<void> =>
  until(() => wanting(broker, topic) === nodes);

/** Waits until `node` knows how many sessions whose clients are not here have a queue for `topic`. */
export const untilQueued = ({ broker }: TestBroker, topic: string, sessions = 1): Promise<void> =>
  until(
    () =>
      broker.topics.match(topic).targets.filter(({ subscriber }) => subscriber instanceof AbsentSession).length ===
      sessions,
  );

const wanting = (broker: TestBroker['broker'], topic: string): number =>
  broker.topics.match(topic).targets.filter(({ subscriber }) => subscriber instanceof RemoteNode).length;
