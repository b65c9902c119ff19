import type { Broker } from '../broker/broker.js';
import type { Delivery } from '../broker/delivery.js';
import type { Session } from '../broker/session.js';
import { Store } from '../broker/store.js';
import type { ClaimRequest, StoredSession } from '../broker/stored-session.js';
import { RedisNode } from '../redis/redis-node.js';
import { RedisSession } from '../redis/redis-session.js';
import { RedisSessions } from '../redis/redis-sessions.js';
import type { Subscription } from '../topics/subscription.js';

/**
 * Keeps sessions that outlive their connections in the Redis of a RedisRouter: their subscriptions, their queues, what is in
 * flight, their wills. A client goes on with its session on whichever node it connects to.
 *
 * It stands beside a RedisRouter and uses its connections, as the queue of a session is written by the node where a message
 * enters. Retained messages are the router's.
 */
export class RedisStore extends Store {
  private sessions: RedisSessions | undefined;

  override get isShared(): true {
    return true;
  }

  /** @throws Error where the broker's router is not a RedisRouter */
  override async open(broker: Broker): Promise<void> {
    const { redis } = broker.router as { redis?: unknown };
    if (!(redis instanceof RedisNode)) throw new Error('a RedisStore needs a RedisRouter beside it');
    this.sessions = new RedisSessions(redis);
  }

  override claim(request: ClaimRequest): Promise<StoredSession | undefined> {
    return this.sessions!.claim(request);
  }

  override saveSubscription(session: Session, filter: string, subscription: Subscription): void {
    if (!session.stored?.isDurable) return;
    this.expect(session, this.sessions!.subscriptions.save(session, filter, subscription));
  }

  override deleteSubscription(session: Session, filter: string): void {
    if (!session.stored?.isDurable) return;
    this.expect(session, this.sessions!.subscriptions.delete(session, filter));
  }

  override acknowledge(session: Session, sequence: number): void {
    durable(session)?.settle(sequence);
  }

  override handedOver(session: Session, _delivery: Delivery, sequence: number): void {
    durable(session)?.handOver(sequence);
  }

  override released(session: Session, packetId: number): void {
    const stored = durable(session);
    if (stored) this.sessions!.releaseReceived(stored, packetId);
  }

  /** It stays recorded: the client sends the message again, and it is routed again under its name. */
  override withheld(): void {}

  /** The router, which commits behind the store, says when all of it is kept. */
  override commit(): undefined {
    this.sessions!.flush();
  }

  // What the session has is in Redis by other ways: its claim and its release, the queue, the router.
  override saveSession(): void {}
  override deleteSession(): void {}
  override enqueue(): number {
    return 0;
  }
  override received(): void {}
  override retain(): void {}

  private expect(session: Session, kept: Promise<void>): void {
    const client = session.connection?.client;
    if (client) this.sessions!.node.lanes.expect(client, kept);
    // Nobody waits for it; what is left behind is found when Redis is back.
    else kept.catch(() => {});
  }
}

function durable({ stored }: Session): RedisSession | undefined {
  return stored?.isDurable && stored instanceof RedisSession ? stored : undefined;
}
