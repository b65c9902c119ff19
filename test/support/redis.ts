import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from '@jest/globals';
import { Redis } from 'ioredis';
import { Program } from './programs.js';

/** A Redis of the test's own; unless told otherwise it keeps nothing on disk. */
export class TestRedis {
  private program: Program | undefined;
  private readonly directory = mkdtempSync(join(tmpdir(), 'mqttd-redis-'));

  private constructor(
    readonly port: number,
    private readonly keepsOnDisk: boolean,
    private readonly settings: readonly string[],
  ) {}

  /** @param settings arguments of redis-server beside the usual ones */
  static async start({ keepsOnDisk = false, settings = [] as readonly string[] } = {}): Promise<TestRedis> {
    const redis = new TestRedis(await freePort(), keepsOnDisk, settings);
    await redis.run();
    return redis;
  }

  get address(): { readonly host: string; readonly port: number } {
    return { host: '127.0.0.1', port: this.port };
  }

  /** Starts the server, again after `kill`: with what it had on disk, unless that shall be lost. */
  async run({ isEmpty = false } = {}): Promise<void> {
    if (isEmpty)
      for (const name of readdirSync(this.directory)) rmSync(join(this.directory, name), { recursive: true });
    const disk = this.keepsOnDisk ? ['--appendonly', 'yes', '--appendfsync', 'always'] : ['--appendonly', 'no'];
    const place = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.directory];
    this.program = new Program('redis-server', [...place, '--save', '', ...disk, ...this.settings]);
    await this.program.says('Ready to accept connections');
  }

  /** Waits until the server has written this. */
  says(words: string): Promise<void> {
    return this.program!.says(words);
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    this.program!.kill('SIGKILL');
    await this.program!.finished;
  }

  /** It keeps its connections and answers nothing. */
  freeze(): void {
    this.program!.kill('SIGSTOP');
  }

  thaw(): void {
    this.program!.kill('SIGCONT');
  }

  /** Runs `use` with a connection of the test's. */
  async with<T>(use: (redis: Redis) => Promise<T>): Promise<T> {
    const redis = new Redis(this.address);
    try {
      return await use(redis);
    } finally {
      redis.disconnect();
    }
  }

  /** What stands under a key prefix of sessions: their state, their clients, what is due. */
  async keysOfSessions(prefix: string): Promise<string[]> {
    const keys = await this.with((redis) => redis.keys(`*${prefix}*`));
    return keys.filter((key) => /:([sqoriweh]:\{|due$|dsub$|owned:)/.test(key));
  }

  /** How often each command was called since the server started, by name. */
  async calls(): Promise<Record<string, number>> {
    const info = await this.with((redis) => redis.info('commandstats'));
    const found = info.matchAll(/^cmdstat_(?<name>[^:]+):calls=(?<calls>\d+)/gm);
    return Object.fromEntries([...found].map(({ groups }) => [groups!.name, Number(groups!.calls)]));
  }

  async stop(): Promise<void> {
    this.thaw();
    await this.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** One server for all tests of a file; each test takes a key prefix of its own. */
export function testRedis(options?: Parameters<typeof TestRedis.start>[0]): () => TestRedis {
  let redis: TestRedis | undefined;
  beforeAll(async () => {
    redis = await TestRedis.start(options);
  });
  afterAll(() => redis?.stop());
  return () => redis!;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
