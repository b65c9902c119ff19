import type { Redis, RedisOptions } from 'ioredis';
import type { RedisServerOptions } from './redis-options.js';

/**
 * The connections to Redis, for one life: commands, Pub/Sub, and the reader that blocks.
 *
 * They live and die together. The first trouble of any of them ends the link, and the router makes a new one and asserts
 * everything again: so there is one path for the start and for every kind of coming back, and nothing is half connected.
 * Rejected: ioredis's own reconnection, where each connection comes back at its own time and resends what it thinks was lost.
 */
export class RedisLink {
  /** Settles when the link has become useless. */
  readonly lost: Promise<Error>;
  private lose: (error: Error) => void = () => {};
  private isLost = false;

  private constructor(
    readonly commands: Redis,
    readonly subscriber: Redis,
    readonly reader: Redis,
  ) {
    this.lost = new Promise((resolve) => (this.lose = resolve));
    for (const connection of this.connections) {
      connection.on('error', (error: Error) => this.fail(error));
      connection.on('close', () => this.fail(new Error('Redis closed a connection')));
    }
  }

  /** @throws what keeps any of the connections from being made */
  static async open({ url, tls, ...server }: RedisServerOptions, commandTimeoutMs: number): Promise<RedisLink> {
    // Only who is configured with Redis needs it installed.
    const { Redis: Connection } = await import('ioredis');
    const options: RedisOptions = {
      ...defined(server),
      ...(tls && { tls }),
      // The same replies from ioredis 5 and 6.
      protocol: 2,
      lazyConnect: true,
      retryStrategy: () => null,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      autoResubscribe: false,
      connectTimeout: commandTimeoutMs,
    };
    const make = (more: RedisOptions) =>
      url === undefined ? new Connection({ ...options, ...more }) : new Connection(url, { ...options, ...more });
    const commandTimeout = commandTimeoutMs;
    const link = new RedisLink(make({ commandTimeout }), make({ commandTimeout }), make({}));
    try {
      let timer: NodeJS.Timeout | undefined;
      // A server that accepts and says nothing keeps ioredis waiting.
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error('no answer from Redis')), commandTimeoutMs);
      });
      const failed = link.lost.then((error) => {
        throw error;
      });
      await Promise.race([
        Promise.all(link.connections.map((connection) => connection.connect())),
        late,
        failed,
      ]).finally(() => clearTimeout(timer));
    } catch (error) {
      link.close();
      throw error;
    }
    return link;
  }

  get isOpen(): boolean {
    return !this.isLost;
  }

  /** Bytes that Redis has not taken yet. */
  get unsentBytes(): number {
    return this.commands.stream?.writableLength ?? 0;
  }

  /** Ends the link unless `error` is only Redis's answer to one command. */
  noteError(error: unknown): void {
    const isAnswer = error instanceof Error && error.name === 'ReplyError' && !error.message.startsWith('READONLY');
    if (!isAnswer) this.fail(error instanceof Error ? error : new Error(String(error)));
  }

  close(): void {
    this.fail(new Error('the link is closed'));
  }

  private get connections(): Redis[] {
    return [this.commands, this.subscriber, this.reader];
  }

  private fail(error: Error): void {
    if (this.isLost) return;
    this.isLost = true;
    for (const connection of this.connections) {
      // For one that is closed already ioredis would wait two seconds.
      if (connection.status !== 'close' && connection.status !== 'end') connection.disconnect();
    }
    this.lose(error);
  }
}

const defined = <T extends object>(options: T): Partial<T> =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>;
