import type { Broker } from '../broker/broker.js';
import { Message } from '../broker/message.js';
import { Recent } from '../broker/recent.js';
import { Router, type LocalSubscriber, type SharePresence, type Subscriber } from '../broker/router.js';
import type { NodeFrame } from '../redis/node-frame.js';
import { RedisClaims } from '../redis/redis-claims.js';
import type { RedisCounters } from '../redis/redis-counters.js';
import { RedisNode } from '../redis/redis-node.js';
import type { RedisRouterOptions } from '../redis/redis-options.js';
import { RemoteNode } from '../redis/remote-node.js';
import { RedisRetained } from '../redis/redis-retained.js';
import type { Match } from '../topics/match.js';
import type { Subscription } from '../topics/subscription.js';
import { DirectRouter } from './direct.router.js';

/**
 * Takes messages to the subscribers of all nodes that share a Redis and a key prefix.
 *
 * Subscribers here are served from memory, as by the DirectRouter. Every other node is one Subscriber in the topic tree,
 * for the filters of its clients: a message costs one command for each node that wants it, and none where no other does.
 * Sessions stay on their node unless a RedisStore stands beside it. While Redis is away what concerns this node alone
 * goes on, QoS 0 for other nodes is dropped, and what would have to be kept for them is not acknowledged.
 */
export class RedisRouter extends Router {
  /** This process among the nodes; a RedisStore shares it. */
  readonly redis: RedisNode;
  private readonly direct = new DirectRouter();
  private readonly retained: RedisRetained;
  private readonly claims: RedisClaims;
  /** QoS 2 messages that were routed here: when one is routed again, subscribers of this node get it once. */
  private readonly routed = new Recent<true>(65_536);

  constructor(options: RedisRouterOptions = {}) {
    super();
    const node = (this.redis = new RedisNode(options));
    this.retained = new RedisRetained(node);
    this.claims = new RedisClaims(node);
    node.add(this.retained);
    node.add(this.claims);
    node.add({ hear: (frame) => this.hear(frame) });
  }

  /** What this node is called in Redis; different at each start. */
  get node(): string {
    return this.redis.name;
  }

  /** Whether Redis is there and messages go to other nodes: for health checks. */
  override get isReady(): boolean {
    return this.redis.isReady;
  }

  /** What this node has done with others since it started. */
  get counters(): RedisCounters {
    return this.redis.counters;
  }

  /** Names of the other nodes. */
  get otherNodes(): string[] {
    return [...this.redis.routes.nodes.keys()];
  }

  /** What clients of other nodes have subscribed to. */
  get otherRoutes(): { node: string; filter: string; presence: string }[] {
    return [...this.redis.routes.nodes.values()].flatMap(({ name, routes }) =>
      [...routes].map(([filter, presence]) => ({ node: name, filter, presence })),
    );
  }

  /** @throws Error with code REDIS_UNREACHABLE */
  override async open(broker: Broker): Promise<void> {
    await this.redis.open(broker);
    const where = broker.store.isShared ? 'messages and sessions cross nodes' : sessionsStay;
    broker.log.log(`node started node=${this.node}: ${where}`);
  }

  override publish(message: Message, match: Match<Subscriber>): boolean {
    const { publishId } = message;
    if (publishId !== undefined && !this.isNew(publishId)) this.publishAgain(message, match);
    else this.direct.publish(message, match);
    if (message.retain) this.retained.publish(message, match);
    return match.targets.length > 0;
  }

  /** Which of the nodes that want the topic has the client is known to that node alone. */
  override deliverTo(clientId: string, message: Message, { targets }: Match<Subscriber>): boolean {
    const nodes = targets.flatMap(({ subscriber }) => (subscriber instanceof RemoteNode ? subscriber : []));
    for (const node of nodes) node.deliverTo(clientId, message);
    return nodes.length > 0;
  }

  override subscribed(subscriber: LocalSubscriber, subscription: Subscription): void {
    this.redis.routes.subscribed(subscriber, subscription);
  }

  override unsubscribed(subscriber: LocalSubscriber, subscription: Subscription): void {
    this.redis.routes.unsubscribed(subscriber, subscription);
  }

  override shared(filter: string, presence: SharePresence): void {
    this.redis.routes.set(filter, presence);
  }

  override claim<T>(clientId: string, enter: (generation: number) => Promise<T>): Promise<T> | undefined {
    return this.redis.link && this.claims.claim(clientId, enter);
  }

  override commit(): Promise<void> | undefined {
    return this.redis.lanes.commit();
  }

  override close(): Promise<void> {
    return this.redis.close();
  }

  /** Whoever has got it already is left out; other nodes and stored queues find that out by themselves. */
  private publishAgain(message: Message, { targets }: Match<Subscriber>): void {
    for (const target of targets) if (target.subscriber.toleratesRepeats) target.subscriber.deliver(message, target);
  }

  private isNew(publishId: string): boolean {
    const isNew = !this.routed.get(publishId);
    if (isNew) this.routed.set(publishId, true);
    return isNew;
  }

  private hear(frame: NodeFrame): boolean {
    if (frame.kind !== 'messages') return false;
    const { topics, counters } = this.redis.broker;
    for (const { share, clientId, message } of frame.messages) {
      if (clientId !== undefined) {
        this.giveToClient(clientId, message);
      } else if (share !== '') {
        if (!this.giveTo(share, message)) counters.messagesDropped++;
      } else if (message.publishId === undefined || this.isNew(message.publishId)) {
        this.direct.publish(message, topics.match(message.topic));
      }
    }
    return true;
  }

  /** Most nodes that hear of it do not have the client. Here it counts as the node's own: nobody else queues it. */
  private giveToClient(clientId: string, { topic, payload, qos, properties }: Message): void {
    const { broker } = this.redis;
    const message = Message.of({ topic, payload, qos, retain: false, properties }, broker.clock.now());
    if (broker.sessions.get(clientId)?.isOnline) broker.deliverTo(clientId, message);
  }

  private giveTo(share: string, message: Message): boolean {
    const group = this.redis.broker.subscriptions.group(share);
    group?.give(message);
    return group !== undefined;
  }
}

const sessionsStay = 'messages cross nodes, sessions and their queues stay on their node';
