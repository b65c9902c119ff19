import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from '@jest/globals';
import { Program } from './programs.js';
import { freePort, TestRedis } from './redis.js';

/** A master, a replica, and one Sentinel that watches them and decides alone. */
export class TestRedisSentinel {
  /** What the Sentinel calls the master. */
  readonly name = 'the-master';

  private constructor(
    readonly master: TestRedis,
    readonly replica: TestRedis,
    readonly address: { readonly host: string; readonly port: number },
    private readonly sentinel: Program,
    private readonly directory: string,
  ) {}

  static async start(): Promise<TestRedisSentinel> {
    const master = await TestRedis.start({ settings: ['--repl-diskless-sync-delay', '0'] });
    const { host, port } = master.address;
    const replica = await TestRedis.start({ settings: ['--replicaof', `${host} ${port}`] });
    // The Sentinel asks for replicas seldom: this one shall be there when it first does.
    await replica.says('MASTER <-> REPLICA sync: Finished');
    const directory = mkdtempSync(join(tmpdir(), 'mqttd-sentinel-'));
    const address = { host, port: await freePort() };
    const config = join(directory, 'sentinel.conf');
    writeFileSync(config, sentinelConfig(address.port, master));
    const sentinel = new Program('redis-server', [config, '--sentinel']);
    await sentinel.says('+slave');
    return new TestRedisSentinel(master, replica, address, sentinel, directory);
  }

  async stop(): Promise<void> {
    this.sentinel.kill('SIGKILL');
    await Promise.all([this.sentinel.finished, this.master.stop(), this.replica.stop()]);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

const sentinelConfig = (port: number, { address }: TestRedis): string => `
port ${port}
bind 127.0.0.1
sentinel monitor the-master ${address.host} ${address.port} 1
sentinel down-after-milliseconds the-master 500
sentinel failover-timeout the-master 2000
`;

/** One such set of servers for all tests of a file. */
export function testRedisSentinel(): () => TestRedisSentinel {
  let servers: TestRedisSentinel | undefined;
  beforeAll(async () => {
    servers = await TestRedisSentinel.start();
  }, 30_000);
  afterAll(() => servers?.stop());
  return () => servers!;
}
