import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Broker } from '../broker/broker.js';
import type { Client } from '../broker/client.js';
import { decodeFrame, type NodeFrame } from './node-frame.js';
import { unreachable } from './redis-connections.js';
import { RedisCounters } from './redis-counters.js';
import { RedisLanes } from './redis-lanes.js';
import { RedisLink } from './redis-link.js';
import { RedisNodeLease } from './redis-node-lease.js';
import {
  redisKeys,
  splitOptions,
  type NodeSettings,
  type RedisKeys,
  type RedisRouterOptions,
  type RedisServerOptions,
} from './redis-options.js';
import { RedisReader, type Reading, type StreamEntry } from './redis-reader.js';
import { RedisRoutes } from './redis-routes.js';
import { redisScript } from './redis-scripts.js';
import { MissingChangesError } from './replicated-hash.js';
import { messageOf } from '../broker/error-text.js';

/** A part of a node that has something of its own in Redis. */
export interface NodePart {
  /** A log that all nodes write and read. */
  readonly log?: { readonly key: string; take(entry: StreamEntry): Promise<void> | undefined };
  /** Redis is there: reads what the others have written, before anything goes there. */
  prepare?(link: RedisLink): Promise<void>;
  /** Everything has been read: says what could not be said while Redis was away. */
  resume?(link: RedisLink): Promise<void>;
  /** A channel has another server now: what was published meanwhile nobody has heard. */
  missed?(link: RedisLink): Promise<void>;
  /** With each sign of life. */
  beat?(link: RedisLink): Promise<void>;
  /** Others may have taken this node for dead by now: lets go of what belongs to one node only. */
  fence?(): void;
  /** A frame of another node; false when it is for another part. */
  hear?(frame: NodeFrame): boolean;
  /** This node is being stopped: finishes what it has begun. */
  close?(): Promise<void>;
  /** Another node is gone for good, and what it had in Redis is about to be deleted. */
  inherit?(link: RedisLink, node: string): Promise<void>;
}

/**
 * This process among the nodes that share a Redis and a key prefix: its life there.
 *
 * There is one way to start and to come back after Redis was away: a new link, then everything is asserted and read again,
 * part by part. A node whose lease has run out is given up by the others; one that cannot renew its lease in time counts
 * itself out before that (`isFenced`).
 */
export class RedisNode {
  readonly counters = new RedisCounters();
  /** What this node is called in Redis; different at each start. */
  readonly name: string;
  readonly settings: NodeSettings;
  readonly keys: RedisKeys;
  readonly lanes: RedisLanes;
  readonly routes: RedisRoutes;
  /** Undefined while Redis is away. */
  link: RedisLink | undefined;
  private readonly server: RedisServerOptions;
  private readonly lease: RedisNodeLease;
  private readonly inlet: Reading;
  private readonly parts: NodePart[] = [];
  private logs: Reading[] = [];
  private reader: RedisReader | undefined;
  private runningBroker: Broker | undefined;
  private runId: string | undefined;
  private heartbeat: NodeJS.Timeout | undefined;
  private isUp = false;
  private isClosed = false;

  constructor(options: RedisRouterOptions) {
    const { server, settings, nodeId } = splitOptions(options);
    this.server = server;
    this.settings = settings;
    this.name = `${nodeId ?? hostname()}.${randomBytes(4).toString('hex')}`;
    const keys = (this.keys = redisKeys(this.settings.keyPrefix));
    const broker = () => this.broker;
    const now = () => this.broker.clock.now();
    this.lanes = new RedisLanes(this.name, keys, this.settings, this.counters, now, (client) => this.cutOff(client));
    this.routes = new RedisRoutes(this.name, keys, this.settings, this.lanes, broker);
    this.lease = new RedisNodeLease(keys, this.settings, this.routes, broker, (link, node) => this.inherit(link, node));
    this.inlet = { key: keys.inlet(this.name), position: '', take: ({ fields }) => this.receive(fields.get('f')) };
  }

  /** The broker of this node, once it is being started. */
  get broker(): Broker {
    return this.runningBroker!;
  }

  /** Whether Redis is there and messages go to other nodes. */
  get isReady(): boolean {
    return this.isUp;
  }

  /** Whether others may have taken this node for dead by now: what belongs to one node only is not touched any more. */
  get isFenced(): boolean {
    return this.lease.isOld;
  }

  /** Before `open`; the logs of the parts are read in the order in which they were added. */
  add(part: NodePart): void {
    this.parts.push(part);
  }

  /** What has come from Redis and cannot be understood costs nothing but this. */
  refuse(what: string, error: unknown): void {
    this.counters.framesRefused++;
    this.broker.log.debug(`${what} was refused: ${messageOf(error)}`);
  }

  /** @throws Error with code REDIS_UNREACHABLE */
  async open(broker: Broker): Promise<void> {
    this.runningBroker = broker;
    const routeLog = { key: this.keys.routeLog, take: (entry: StreamEntry) => this.hearRoutes(entry) };
    const logs = [routeLog, ...this.parts.flatMap(({ log }) => log ?? [])];
    this.logs = logs.map((log) => ({ key: log.key, position: '0-0', take: (entry) => this.understand(log, entry) }));
    // What the logs say is known before a message that was sent behind it.
    this.reader = new RedisReader([...this.logs, this.inlet], this.settings.heartbeatMs);
    let link: RedisLink | undefined;
    try {
      link = await RedisLink.open(this.server, this.settings.commandTimeoutMs);
      await this.assert(link);
      await link.replicated(this.settings.minimumReplicas);
    } catch (error) {
      link?.close();
      throw unreachable(this.server, error);
    }
    this.isUp = true;
    this.heartbeat = setInterval(() => void this.beat(), this.settings.heartbeatMs);
    void this.stay(link);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    clearInterval(this.heartbeat);
    for (const part of this.parts) await part.close?.();
    const { link } = this;
    this.use(undefined);
    // The others find out by the lease where this fails.
    if (link?.isOpen) await this.routes.erase(link, this.name, 'now').catch((error: unknown) => link.noteError(error));
    link?.close();
  }

  /** The one way to start, and to come back after Redis was away. */
  private async assert(link: RedisLink): Promise<void> {
    const { keys, name } = this;
    await link.hear([keys.channel(name), keys.all], {
      take: (bytes) => this.receive(bytes),
      missed: () => void this.listenAgain(link),
    });
    const hasForgotten = await this.noteRunId(link);
    this.fenceIfLate();
    // First of all: from here on the others leave alone what this node has in Redis.
    await this.lease.assert(link);
    for (const log of this.logs) log.position = await lastId(link, log.key);
    if (this.inlet.position === '' || !(await link.commands.exists(this.inlet.key))) {
      this.inlet.position = (await link.commands.xadd(this.inlet.key, '*', 'node', name))!;
    }
    this.routes.link = link;
    await this.routes.writeAll(link);
    const others = await this.routes.readAll(link);
    // A node that a new Redis does not know may live: until it is back, or given up, nothing for it is acknowledged.
    if (!hasForgotten) this.routes.keepOnly(others);
    for (const part of this.parts) await part.prepare?.(link);
    this.use(link);
    for (const part of this.parts) await part.resume?.(link);
    void this.read(link);
  }

  private use(link: RedisLink | undefined): void {
    this.link = this.lanes.link = this.routes.link = link;
    if (!link) this.isUp = false;
  }

  private async stay(first: RedisLink): Promise<void> {
    for (let link = first; ;) {
      const error = await link.lost;
      if (this.isClosed) return;
      this.use(undefined);
      this.broker.log.warn(`Redis is away: ${error.message}; nothing goes to other nodes until it is back`);
      const next = await this.comeBack();
      if (!next) return;
      this.broker.log.log(`Redis is back node=${this.name}`);
      this.isUp = true;
      link = next;
    }
  }

  private async comeBack(): Promise<RedisLink | undefined> {
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, this.settings.retryMs).unref());
      if (this.isClosed) return undefined;
      let link: RedisLink | undefined;
      try {
        link = await RedisLink.open(this.server, this.settings.commandTimeoutMs);
        await this.assert(link);
        if (!this.isClosed) return link;
        link.close();
      } catch (error) {
        this.use(undefined);
        link?.close();
        this.broker.log.debug(`Redis is still away: ${messageOf(error)}`);
      }
    }
  }

  private async listenAgain(link: RedisLink): Promise<void> {
    try {
      for (const part of this.parts) await part.missed?.(link);
    } catch (error) {
      link.noteError(error);
    }
  }

  private async read(link: RedisLink): Promise<void> {
    try {
      await this.reader!.run(link);
    } catch (error) {
      link.noteError(error);
      // Whatever Redis has against being read: nothing comes any more.
      link.close();
    }
  }

  private async beat(): Promise<void> {
    this.fenceIfLate();
    const { link } = this;
    // While all is asserted nothing is read yet.
    if (!link || !this.isUp) return;
    try {
      if (this.reader!.lateMs > this.settings.commandTimeoutMs) throw new Error('no answer to the reader');
      await this.lease.beat(link);
      await link.commands.xtrim(this.inlet.key, 'MINID', this.inlet.position);
      for (const part of this.parts) await part.beat?.(link);
    } catch (error) {
      link.noteError(error);
    }
  }

  /** Before the lease is renewed: afterwards nobody could tell that it had run out. */
  private fenceIfLate(): void {
    if (this.isFenced) for (const part of this.parts) part.fence?.();
  }

  private receive(bytes: Buffer | undefined): undefined {
    // The entry that made the stream.
    if (!bytes) return;
    let frame: NodeFrame;
    try {
      frame = decodeFrame(bytes, this.broker.clock.now());
    } catch (error) {
      this.refuse('a frame of another node', error);
      return;
    }
    if (frame.node !== this.name) this.parts.some((part) => part.hear?.(frame));
  }

  private hearRoutes({ fields }: StreamEntry): Promise<void> | undefined {
    const stale = this.routes.hear(JSON.parse(String(fields.get('c'))));
    const { link } = this;
    return stale === undefined || !link ? undefined : this.routes.read(link, stale);
  }

  /** What cannot be understood of a log is passed over. */
  private understand(log: Pick<Reading, 'take'>, entry: StreamEntry): Promise<void> | undefined {
    try {
      return log.take(entry);
    } catch (error) {
      if (error instanceof MissingChangesError) this.link?.noteError(error);
      this.refuse('an entry of a log', error);
      return undefined;
    }
  }

  private cutOff(client: Client): void {
    const connection = this.broker.sessions.get(client.clientId)?.connection;
    if (connection?.client === client) connection.destroy();
  }

  private async inherit(link: RedisLink, node: string): Promise<void> {
    for (const part of this.parts) await part.inherit?.(link, node);
  }

  /** Whether this is another Redis than before, or one started anew, which may have forgotten what it had acknowledged. */
  private async noteRunId(link: RedisLink): Promise<boolean> {
    const runId = await link.run(runIdScript, [this.keys.nodes], []);
    const isNew = this.runId !== undefined && runId !== this.runId;
    if (isNew) this.broker.log.warn('Redis was started anew, or another server has taken over: what it lacks is lost');
    this.runId = runId;
    return isNew;
  }
}

async function lastId(link: RedisLink, key: string): Promise<string> {
  const [last] = await link.commands.xrevrange(key, '+', '-', 'COUNT', 1);
  return last?.[0] ?? '0-0';
}

/** A script, as in a Redis Cluster it runs where the keys are that all nodes share. */
const runIdScript = redisScript<string>(`return string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')`);
