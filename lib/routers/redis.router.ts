import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Broker } from '../broker/broker.js';
import type { Message } from '../broker/message.js';
import { Router, type SharePresence, type Subscriber } from '../broker/router.js';
import type { Match } from '../topics/topic-tree.js';
import { DirectRouter } from './direct.router.js';
import { decodeFrame } from '../redis/node-frame.js';
import { RedisClaims } from '../redis/redis-claims.js';
import { RedisLanes } from '../redis/redis-lanes.js';
import { RedisLink } from '../redis/redis-link.js';
import { RedisNodeLease } from '../redis/redis-node-lease.js';
import {
  defaultNodeOptions,
  redisKeys,
  type NodeSettings,
  type RedisKeys,
  type RedisRouterOptions,
  type RedisServerOptions,
} from '../redis/redis-options.js';
import { RedisReader, type Reading, type StreamEntry } from '../redis/redis-reader.js';
import { RedisRetained } from '../redis/redis-retained.js';
import { RedisRoutes } from '../redis/redis-routes.js';
import { RemoteNode } from '../redis/remote-node.js';

/**
 * Takes messages to the subscribers of all nodes that share a Redis and a key prefix.
 *
 * Subscribers here are served from memory, as by the DirectRouter. Every other node is one Subscriber in the topic tree,
 * for the filters of its clients: a message costs one command for each node that wants it, and none where no other does.
 * Sessions stay on their node. While Redis is away what concerns this node alone goes on, QoS 0 for other nodes is
 * dropped, and what would have to be kept for them is not acknowledged.
 */
export class RedisRouter extends Router {
  /** Frames that were not understood: another version, damaged, or not from a node at all. */
  refusedFrames = 0;
  /** What this node is called in Redis; different at each start. */
  readonly node: string;

  private readonly direct = new DirectRouter();
  private readonly server: RedisServerOptions;
  private readonly settings: NodeSettings;
  private readonly keys: RedisKeys;
  private readonly lanes: RedisLanes;
  private readonly routes: RedisRoutes;
  private readonly retained: RedisRetained;
  private readonly claims: RedisClaims;
  private readonly lease: RedisNodeLease;
  private readonly routeLog: Reading;
  private readonly retainedLog: Reading;
  private readonly inlet: Reading;
  private readonly reader: RedisReader;
  private broker: Broker | undefined;
  private link: RedisLink | undefined;
  private runId: string | undefined;
  private heartbeat: NodeJS.Timeout | undefined;
  private isUp = false;
  private isClosed = false;

  constructor(options: RedisRouterOptions = {}) {
    super();
    const { url, host = '127.0.0.1', port = 6379, db, username, password, tls, nodeId, ...settings } = options;
    this.server = url === undefined ? { host, port, db, username, password, tls } : { url, tls };
    const given = Object.entries(settings).filter(([, value]) => value !== undefined);
    this.settings = { ...defaultNodeOptions, ...Object.fromEntries(given) };
    this.node = `${nodeId ?? hostname()}.${randomBytes(4).toString('hex')}`;
    const { node } = this;
    const keys = (this.keys = redisKeys(this.settings.keyPrefix));
    const broker = () => this.broker!;
    this.lanes = new RedisLanes(node, keys, () => broker().clock.now(), this.settings.maximumUnsentBytes);
    this.routes = new RedisRoutes(node, keys, this.settings, this.lanes, broker);
    this.retained = new RedisRetained(node, keys, this.settings, broker);
    this.claims = new RedisClaims(node, keys, this.settings, broker);
    this.lease = new RedisNodeLease(keys, this.settings, this.routes, broker);
    this.routeLog = { key: keys.routeLog, position: '0-0', take: (entry) => this.hearRoutes(entry) };
    this.retainedLog = { key: keys.retainedLog, position: '0-0', take: (entry) => this.hearRetained(entry) };
    this.inlet = { key: keys.inlet(node), position: '', take: ({ fields }) => this.receive(fields.get('f')) };
    // What is kept of a retained message is known before the message itself comes.
    this.reader = new RedisReader([this.routeLog, this.retainedLog, this.inlet], this.settings.heartbeatMs);
  }

  /** Whether Redis is there and messages go to other nodes: for health checks. */
  get isReady(): boolean {
    return this.isUp;
  }

  /** QoS 0 messages that other nodes wanted and were not sent. */
  get droppedForNodes(): number {
    return this.lanes.dropped;
  }

  /** Names of the other nodes. */
  get otherNodes(): string[] {
    return [...this.routes.nodes.keys()];
  }

  /** What clients of other nodes have subscribed to. */
  get otherRoutes(): { node: string; filter: string; presence: SharePresence }[] {
    return [...this.routes.nodes.values()].flatMap(({ name, routes }) =>
      [...routes].map(([filter, presence]) => ({ node: name, filter, presence })),
    );
  }

  /** @throws Error with code REDIS_UNREACHABLE */
  override async open(broker: Broker): Promise<void> {
    this.broker = broker;
    let link: RedisLink | undefined;
    try {
      link = await RedisLink.open(this.server, this.settings.commandTimeoutMs);
      await this.assert(link);
    } catch (error) {
      link?.close();
      throw unreachable(this.server, error);
    }
    broker.log.log(
      `node started node=${this.node}: messages cross nodes, sessions and their queues stay on their node`,
    );
    this.isUp = true;
    this.heartbeat = setInterval(() => void this.beat(), this.settings.heartbeatMs);
    void this.stay(link);
  }

  override publish(message: Message, match: Match<Subscriber>): boolean {
    const isFound = this.direct.publish(message, match);
    if (message.retain) this.retain(message, match);
    return isFound;
  }

  override subscribed(filter: string): void {
    this.routes.subscribed(filter);
  }

  override unsubscribed(filter: string): void {
    this.routes.unsubscribed(filter);
  }

  override shared(filter: string, presence: SharePresence): void {
    this.routes.set(filter, presence);
  }

  override claim(clientId: string): Promise<number> | undefined {
    return this.link && this.claims.claim(clientId);
  }

  override commit(): Promise<void> | undefined {
    return this.lanes.commit();
  }

  override async close(): Promise<void> {
    this.isClosed = true;
    clearInterval(this.heartbeat);
    const { link } = this;
    this.use(undefined);
    // The others find out by the lease where this fails.
    if (link?.isOpen) await this.routes.erase(link, this.node, 'now').catch((error: unknown) => link.noteError(error));
    link?.close();
  }

  private retain(message: Message, { targets }: Match<Subscriber>): void {
    const sentTo = targets.flatMap(({ subscriber }) => (subscriber instanceof RemoteNode ? [subscriber.name] : []));
    const written = this.retained.write(this.link, message, sentTo);
    if (message.qos > 0) this.lanes.expect(message.publisher, written);
    // It is written when Redis is back.
    else written.catch(() => {});
  }

  /** The one way to start, and to come back after Redis was away. */
  private async assert(link: RedisLink): Promise<void> {
    const { keys, node } = this;
    link.subscriber.on('messageBuffer', (_channel: Buffer, bytes: Buffer) => this.receive(bytes));
    await link.subscriber.subscribe(keys.channel(node), keys.all);
    const hasForgotten = await this.noteRunId(link);
    // First of all: from here on the others leave alone what this node has in Redis.
    await this.lease.assert(link);
    for (const log of [this.routeLog, this.retainedLog]) log.position = await lastId(link, log.key);
    if (this.inlet.position === '' || !(await link.commands.exists(this.inlet.key))) {
      this.inlet.position = (await link.commands.xadd(this.inlet.key, '*', 'node', node))!;
    }
    this.routes.link = link;
    await this.routes.writeAll(link);
    const others = await this.routes.readAll(link);
    // A node that a new Redis does not know may live: until it is back, or given up, nothing for it is acknowledged.
    if (!hasForgotten) this.routes.keepOnly(others);
    this.retained.forgetPending();
    this.use(link);
    await this.retained.readAll(link);
    await this.claims.compare(link);
    void this.read(link);
  }

  private use(link: RedisLink | undefined): void {
    this.link = this.lanes.link = this.routes.link = this.claims.link = link;
    if (!link) this.isUp = false;
  }

  private async stay(first: RedisLink): Promise<void> {
    for (let link = first; ;) {
      const error = await link.lost;
      if (this.isClosed) return;
      this.use(undefined);
      this.broker!.log.warn(`Redis is away: ${error.message}; nothing goes to other nodes until it is back`);
      const next = await this.comeBack();
      if (!next) return;
      this.broker!.log.log(`Redis is back node=${this.node}`);
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
        this.broker!.log.debug(`Redis is still away: ${messageOf(error)}`);
      }
    }
  }

  private async read(link: RedisLink): Promise<void> {
    try {
      await this.reader.run(link);
    } catch (error) {
      link.noteError(error);
      // Whatever Redis has against being read: nothing comes any more.
      link.close();
    }
  }

  private async beat(): Promise<void> {
    const { link } = this;
    // While all is asserted nothing is read yet.
    if (!link || !this.isUp) return;
    try {
      if (this.reader.lateMs > this.settings.commandTimeoutMs) throw new Error('no answer to the reader');
      await this.lease.beat(link);
      await link.commands.xtrim(this.inlet.key, 'MINID', this.inlet.position);
    } catch (error) {
      link.noteError(error);
    }
  }

  private receive(bytes: Buffer | undefined): undefined {
    const { topics, subscriptions, clock, log } = this.broker!;
    // The entry that made the stream.
    if (!bytes) return;
    let frame;
    try {
      frame = decodeFrame(bytes, clock.now());
    } catch (error) {
      this.refusedFrames++;
      log.debug(`a frame of another node was refused: ${messageOf(error)}`);
      return;
    }
    if (frame.node === this.node) return;
    if (frame.kind === 'claim') {
      this.claims.hear(frame.clientId, frame.generation);
      return;
    }
    for (const { share, message } of frame.messages) {
      if (share === '') this.direct.publish(message, topics.match(message.topic));
      else if (!subscriptions.handOut(share, message)) this.broker!.counters.messagesDropped++;
    }
  }

  private hearRoutes({ fields }: StreamEntry): Promise<void> | undefined {
    try {
      const stale = this.routes.hear(JSON.parse(String(fields.get('c'))));
      const { link } = this;
      return stale === undefined || !link ? undefined : this.routes.read(link, stale);
    } catch (error) {
      this.refuseEntry(error);
      return undefined;
    }
  }

  private hearRetained({ fields }: StreamEntry): undefined {
    try {
      if (!this.retained.hear(fields)) this.link?.noteError(new Error('the log of retained messages has a gap'));
    } catch (error) {
      this.refuseEntry(error);
    }
  }

  private refuseEntry(error: unknown): void {
    this.refusedFrames++;
    this.broker!.log.debug(`an entry of a log was refused: ${messageOf(error)}`);
  }

  /** Whether this is another Redis than before, or one started anew, which may have forgotten what it had acknowledged. */
  private async noteRunId(link: RedisLink): Promise<boolean> {
    const runId = /^run_id:(\w+)/m.exec(await link.commands.info('server'))?.[1];
    const isNew = this.runId !== undefined && runId !== this.runId;
    if (isNew) this.broker!.log.warn('Redis was started anew: what it did not keep on disk is lost');
    this.runId = runId;
    return isNew;
  }
}

async function lastId(link: RedisLink, key: string): Promise<string> {
  const [last] = await link.commands.xrevrange(key, '+', '-', 'COUNT', 1);
  return last?.[0] ?? '0-0';
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function unreachable({ url, host, port }: RedisServerOptions, error: unknown): Error {
  // Not the URL itself: it may hold a password.
  const named = url === undefined ? `redis.host: ${host}:${port}` : 'redis.url: the server named there';
  const text = `${named} cannot be used (${messageOf(error)}); start Redis there, or correct the option`;
  return Object.assign(new Error(text, { cause: error }), { code: 'REDIS_UNREACHABLE' });
}
