import type { Cluster, Redis } from 'ioredis';
import type { RedisConnections } from './redis-connections.js';
import type { RedisAddress } from './redis-options.js';

/** Who hears what is published. */
export interface RedisHearing {
  take(bytes: Buffer): void;
  /** The channel has another server now: what was published meanwhile nobody has heard. */
  missed(): void;
}

/** What is heard of some channels, until a connection is lost. */
export interface RedisSubscriptions {
  connect(): Promise<void>;
  hear(channels: readonly string[], hearing: RedisHearing): Promise<void>;
  close(): void;
}

/** @param fail is called when something can no longer be heard */
export const redisSubscriptions = (
  connections: RedisConnections,
  timeoutMs: number,
  seeds: () => RedisAddress,
  fail: (error: Error) => void,
): RedisSubscriptions =>
  connections.isCluster
    ? new ShardedSubscriptions((address) => connections.makeTo(address, timeoutMs), seeds, fail)
    : new PlainSubscriptions(connections.make(timeoutMs) as Redis, fail);

/** Pub/Sub of a single server: one connection for all. */
class PlainSubscriptions implements RedisSubscriptions {
  constructor(
    private readonly connection: Redis,
    fail: (error: Error) => void,
  ) {
    watch(connection, fail);
  }

  connect(): Promise<void> {
    return this.connection.connect();
  }

  async hear(channels: readonly string[], hearing: RedisHearing): Promise<void> {
    this.connection.on('messageBuffer', (_channel: Buffer, bytes: Buffer) => hearing.take(bytes));
    await this.connection.subscribe(...channels);
  }

  close(): void {
    disconnect(this.connection);
  }
}

/**
 * Sharded Pub/Sub of a Redis Cluster: for each channel a connection to the server that has its slot.
 *
 * Rejected: the sharded subscribers of ioredis's Cluster, which subscribe anew without a word about what was missed, and
 * do not exist in each of its versions.
 */
class ShardedSubscriptions implements RedisSubscriptions {
  private readonly open = new Set<Redis>();
  private isClosed = false;

  constructor(
    private readonly makeTo: (address: RedisAddress) => Redis,
    private readonly seed: () => RedisAddress,
    private readonly fail: (error: Error) => void,
  ) {}

  async connect(): Promise<void> {}

  async hear(channels: readonly string[], hearing: RedisHearing): Promise<void> {
    await Promise.all(channels.map((channel) => this.subscribe(channel, this.seed(), hearing)));
  }

  close(): void {
    this.isClosed = true;
    for (const connection of this.open) disconnect(connection);
  }

  private async subscribe(channel: string, first: RedisAddress, hearing: RedisHearing): Promise<void> {
    let address = first;
    for (let attempt = 0; attempt < mostServers; attempt++) {
      const connection = this.makeTo(address);
      const moved = await this.subscribeAt(connection, channel, address);
      if (moved === undefined) {
        this.listen(connection, channel, address, hearing);
        return;
      }
      address = moved;
    }
    throw new Error(`no server of the Redis Cluster has the slot of ${channel}`);
  }

  /** @returns the address of the server that has the channel, where it is not this one */
  private async subscribeAt(
    connection: Redis,
    channel: string,
    { host }: RedisAddress,
  ): Promise<RedisAddress | undefined> {
    // Whatever happens here is told by the promises.
    connection.on('error', () => {});
    this.open.add(connection);
    try {
      await connection.connect();
      await connection.ssubscribe(channel);
      if (this.isClosed) throw new Error('the link is closed');
      return undefined;
    } catch (error) {
      this.drop(connection);
      const moved = error instanceof Error && /^MOVED \d+ (?<host>.*):(?<port>\d+)$/.exec(error.message);
      if (!moved) throw error;
      // A server that does not know its name says nothing: then it is the same.
      return { host: moved.groups!.host || host, port: Number(moved.groups!.port) };
    }
  }

  private listen(connection: Redis, channel: string, address: RedisAddress, hearing: RedisHearing): void {
    connection.on('smessageBuffer', (_channel: Buffer, bytes: Buffer) => hearing.take(bytes));
    const follow = () => {
      if (!this.open.has(connection) || this.isClosed) return;
      this.drop(connection);
      this.subscribe(channel, address, hearing).then(() => hearing.missed(), this.fail);
    };
    // Redis unsubscribes us when the slot leaves it. Older versions of ioredis miss the command that this would answer.
    connection.on('moved', follow);
    watch(connection, (error) => {
      if (error.message.includes('Last reply: sunsubscribe')) follow();
      else if (this.open.has(connection)) this.fail(error);
    });
  }

  private drop(connection: Redis): void {
    this.open.delete(connection);
    disconnect(connection);
  }
}

/** One that knows another one, and so on; a Cluster agrees soon on who has a slot. */
const mostServers = 16;

/** Any trouble of a connection, and its end. */
export function watch(connection: Redis | Cluster, fail: (error: Error) => void): void {
  const closed = 'nodes' in connection ? 'the Redis Cluster is down' : 'Redis closed a connection';
  connection.on('error', fail);
  connection.on('close', () => fail(new Error(closed)));
}

export function disconnect(connection: Redis | Cluster): void {
  const servers = 'nodes' in connection ? connection.nodes() : [connection];
  // ioredis hears one error of a stream; a TLS handshake that is broken off may have one more, which would end the process.
  for (const { stream } of servers) stream?.on('error', () => {});
  // For one that is closed already ioredis would wait two seconds.
  if (connection.status !== 'close' && connection.status !== 'end') connection.disconnect();
}
