import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll } from '@jest/globals';
import type { Redis } from 'ioredis';
import { freePort, TestRedis } from './redis.js';

const run = promisify(execFile);

/** A Redis Cluster of the test's own: three masters, no replicas. */
export class TestRedisCluster {
  private constructor(readonly servers: readonly TestRedis[]) {}

  static async start(): Promise<TestRedisCluster> {
    const servers = await Promise.all([1, 2, 3].map(startServer));
    const names = servers.map(({ address }) => `${address.host}:${address.port}`);
    await run('redis-cli', ['--cluster', 'create', ...names, '--cluster-yes']);
    const cluster = new TestRedisCluster(servers);
    await cluster.isComplete();
    return cluster;
  }

  /** Waits until all servers know of each other, and who has which slots. */
  async isComplete(): Promise<void> {
    const isUp = (redis: Redis) => redis.cluster('INFO').then((info) => info.includes('cluster_state:ok'));
    for (const server of this.servers) while (!(await server.with(isUp)));
    await this.agree();
  }

  get addresses(): { host: string; port: number }[] {
    return this.servers.map(({ address }) => address);
  }

  /** The server that has the slot of a key. */
  async ownerOf(key: string): Promise<TestRedis> {
    const owns = (redis: Redis) =>
      redis.exists(key).then(
        () => true,
        () => false,
      );
    const answers = await Promise.all(this.servers.map((server) => server.with(owns)));
    return this.servers[answers.indexOf(true)];
  }

  /**
   * Moves the slot of a key to another server as `redis-cli --cluster reshard` does, which chooses the slots itself.
   * @param between is called each time one key of the slot has moved, and the others have not yet
   */
  async moveSlotOf(key: string, between: () => Promise<void> = async () => {}): Promise<void> {
    const from = await this.ownerOf(key);
    const to = this.servers[(this.servers.indexOf(from) + 1) % this.servers.length];
    const slot = await from.with((redis) => redis.cluster('KEYSLOT', key));
    const [source, target] = await Promise.all([from, to].map((one) => one.with((redis) => redis.cluster('MYID'))));
    await to.with((redis) => redis.cluster('SETSLOT', slot, 'IMPORTING', source));
    await from.with(async (redis) => {
      await redis.cluster('SETSLOT', slot, 'MIGRATING', target);
      for (;;) {
        const [next] = await redis.cluster('GETKEYSINSLOT', slot, 1);
        if (next === undefined) break;
        await redis.migrate(to.address.host, to.port, next, 0, 5000);
        await between();
      }
    });
    // The new owner first: the old one would else answer for a slot that nobody has.
    for (const server of new Set([to, from, ...this.servers])) {
      await server.with((redis) => redis.cluster('SETSLOT', slot, 'NODE', target));
    }
    await this.agree();
  }

  async stop(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.stop()));
  }

  /** Waits until all servers say the same: a slot that moves on before that may be moved back by what is under way. */
  private async agree(): Promise<void> {
    for (;;) {
      const views = await Promise.all(this.servers.map((server) => server.with(viewOf)));
      if (new Set(views).size === 1) return;
    }
  }
}

/** What a server says of all: names, epochs and slots. */
async function viewOf(redis: Redis): Promise<string> {
  const lines = String(await redis.cluster('NODES')).split('\n');
  const views = lines.map((line) => {
    const [name, , , , , , epoch, , ...slots] = line.split(' ');
    return [name, epoch, ...slots].join(' ');
  });
  return views.sort().join('\n');
}

async function startServer(): Promise<TestRedis> {
  const bus = ['--cluster-port', String(await freePort())];
  return TestRedis.start({ settings: ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000', ...bus] });
}

/** One Redis Cluster for all tests of a file. */
export function testRedisCluster(): () => TestRedisCluster {
  let cluster: TestRedisCluster | undefined;
  beforeAll(async () => {
    cluster = await TestRedisCluster.start();
  }, 30_000);
  afterAll(() => cluster?.stop());
  return () => cluster!;
}
