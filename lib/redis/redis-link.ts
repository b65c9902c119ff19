import type { Redis, RedisCommander } from 'ioredis';
import { redisConnections, type RedisConnection, type RedisConnections } from './redis-connections.js';
import type { RedisAddress, RedisServerOptions } from './redis-options.js';
import { runScript, type RedisScript, type ScriptValue } from './redis-scripts.js';
import {
  disconnect,
  redisSubscriptions,
  watch,
  type RedisHearing,
  type RedisSubscriptions,
} from './redis-subscriptions.js';
import { RedisTurns } from './redis-turns.js';

/**
 * The connections to Redis, for one life: commands, Pub/Sub, and the reader that blocks.
 *
 * They live and die together. The first trouble of any of them ends the link, and the router makes a new one and asserts
 * everything again: so there is one path for the start and for every kind of coming back, and nothing is half connected.
 * Rejected: ioredis's own reconnection, where each connection comes back at its own time and resends what it thinks was lost.
 * A Redis Cluster that moves slots between its servers is no trouble: the link goes on.
 */
export class RedisLink {
  /** Settles when the link has become useless. */
  readonly lost: Promise<Error>;
  /** For commands that must not overtake each other. */
  readonly turns: RedisTurns;
  private readonly connection: RedisConnection;
  private readonly blocking: RedisConnection;
  private readonly subscriptions: RedisSubscriptions;
  private readonly isCluster: boolean;
  private lose: (error: Error) => void = () => {};
  private isLost = false;

  private constructor(
    connections: RedisConnections,
    private readonly timeoutMs: number,
  ) {
    this.lost = new Promise((resolve) => (this.lose = resolve));
    const fail = (error: Error) => this.fail(error);
    this.isCluster = connections.isCluster;
    this.turns = new RedisTurns(this.isCluster);
    this.connection = connections.make(timeoutMs);
    this.blocking = connections.make();
    this.subscriptions = redisSubscriptions(connections, timeoutMs, () => this.anyAddress(), fail);
    for (const connection of [this.connection, this.blocking]) watch(connection, fail);
  }

  /** @throws what keeps any of the connections from being made */
  static async open(server: RedisServerOptions, commandTimeoutMs: number): Promise<RedisLink> {
    const link = new RedisLink(await redisConnections(server, commandTimeoutMs), commandTimeoutMs);
    try {
      await link.connect();
    } catch (error) {
      link.close();
      throw error;
    }
    return link;
  }

  get isOpen(): boolean {
    return !this.isLost;
  }

  get commands(): RedisCommander {
    return this.connection;
  }

  /** For commands that block. */
  get reader(): RedisCommander {
    return this.blocking;
  }

  /** Bytes that Redis has not taken yet. */
  get unsentBytes(): number {
    return this.masters.reduce((sum, { stream }) => sum + (stream?.writableLength ?? 0), this.turns.waitingBytes);
  }

  /** Runs a script; all keys are in one slot. */
  run<Reply>(script: RedisScript<Reply>, keys: readonly string[], values: readonly ScriptValue[]): Promise<Reply> {
    return runScript(this.connection, script, keys, values, 'decoded') as Promise<Reply>;
  }

  /** Runs a script whose answer holds bytes that are no text: every text in it is a Buffer. */
  runForBytes<Reply>(
    script: RedisScript<Reply>,
    keys: readonly string[],
    values: readonly ScriptValue[],
  ): Promise<Reply> {
    return runScript(this.connection, script, keys, values, 'bytes') as Promise<Reply>;
  }

  /** Until the link is lost. */
  hear(channels: readonly string[], hearing: RedisHearing): Promise<void> {
    return this.subscriptions.hear(channels, hearing);
  }

  publish(channel: string, bytes: Buffer): Promise<unknown> {
    return this.isCluster ? this.commands.spublish(channel, bytes) : this.commands.publish(channel, bytes);
  }

  /**
   * Waits until so many replicas have all that was written before.
   * @throws Error where they do not within half the time that a command may take
   */
  async replicated(replicas: number): Promise<void> {
    if (replicas === 0) return;
    const reached = await Promise.all(this.masters.map((master) => master.wait(replicas, this.timeoutMs / 2)));
    const fewest = Math.min(...reached);
    if (fewest < replicas) throw new Error(`${fewest} of ${replicas} replica(s) have it`);
  }

  /** Ends the link unless `error` is only Redis's answer to one command. */
  noteError(error: unknown): void {
    if (!isAnswer(error)) this.fail(error instanceof Error ? error : new Error(String(error)));
  }

  close(): void {
    this.fail(new Error('the link is closed'));
  }

  private async connect(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    // A server that accepts and says nothing keeps ioredis waiting.
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('no answer from Redis')), this.timeoutMs);
    });
    const failed = this.lost.then((error) => {
      throw error;
    });
    const connected = Promise.all([this.connection, this.blocking, this.subscriptions].map((one) => one.connect()));
    await Promise.race([connected, late, failed]).finally(() => clearTimeout(timer));
  }

  private get masters(): readonly Redis[] {
    const { connection } = this;
    return 'nodes' in connection ? connection.nodes('master') : [connection];
  }

  private anyAddress(): RedisAddress {
    const [server] = this.masters;
    const { host = '127.0.0.1', port = 6379 } = server?.options ?? {};
    return { host, port };
  }

  private fail(error: Error): void {
    if (this.isLost) return;
    this.isLost = true;
    disconnect(this.connection);
    disconnect(this.blocking);
    this.subscriptions.close();
    // What a Redis Cluster says itself is that none of its servers said anything.
    this.lose('lastNodeError' in error && error.lastNodeError instanceof Error ? error.lastNodeError : error);
  }
}

/**
 * Whether keys of the command are just being moved to another server, and ioredis has asked often enough. Who has to try
 * again is sent to any server by ioredis, and from there back: so it may be something else that was answered last.
 */
export const isMoving = (error: unknown): boolean =>
  error instanceof Error && /^(TRYAGAIN|Too many Cluster redirections)\b/.test(error.message);

/** Whether Redis has said no to one command: that says nothing about the next one. */
const isAnswer = (error: unknown): boolean =>
  isMoving(error) || (error instanceof Error && error.name === 'ReplyError' && !unusable.test(error.message));

/** What a server answers that is no master any more, not yet one, or not the one for this key; in a script behind a dash. */
const unusable = /(^|-)(READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|UNBLOCKED|MOVED|ASK) /;
