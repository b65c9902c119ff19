import { randomUUID } from 'node:crypto';
import { afterEach } from '@jest/globals';
import type { BrokerOptions } from '../../lib/broker/broker.js';
import { RedisRouter } from '../../lib/routers/redis.router.js';
import type { RedisRouterOptions } from '../../lib/redis/redis-options.js';
import { RemoteNode } from '../../lib/redis/remote-node.js';
import { testRedis, type TestRedis } from './redis.js';
import { startBroker, type TestBroker } from './test-broker.js';

/** A broker that is one of several. */
export interface ClusterNode extends TestBroker {
  readonly router: RedisRouter;
}

export interface Cluster {
  readonly redis: () => TestRedis;
  /** In front of all keys of this test. */
  readonly prefix: () => string;
  /** Starts one more node; stopped after the test. */
  start(options?: RedisRouterOptions, brokerOptions?: Partial<BrokerOptions>): Promise<ClusterNode>;
}

/** Nodes in this process, around one Redis for the file. */
export function cluster(redisOptions?: { keepsOnDisk?: boolean }): Cluster {
  const redis = testRedis(redisOptions);
  let prefix = randomUUID();
  const running: ClusterNode[] = [];
  afterEach(async () => {
    await Promise.all(running.splice(0).map((node) => node.stop()));
    prefix = randomUUID();
  });
  return {
    redis,
    prefix: () => prefix,
    async start(options = {}, brokerOptions = {}) {
      const { port } = redis();
      // Slow leases unless the test is about them: a busy machine must not look like a dead node.
      const router = new RedisRouter({ port, keyPrefix: prefix, retryMs: 20, ...options });
      const node = { ...(await startBroker({ ...brokerOptions, router })), router };
      running.push(node);
      return node;
    },
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

const wanting = (broker: TestBroker['broker'], topic: string): number =>
  broker.topics.match(topic).targets.filter(({ subscriber }) => subscriber instanceof RemoteNode).length;
