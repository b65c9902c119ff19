import type { Session } from '../broker/session.js';
import { isTopicFilter } from '../topics/topic-names.js';
import type { Subscription } from '../topics/subscription.js';
import { AbsentSession } from './absent-session.js';
import type { RedisAppends } from './redis-appends.js';
import type { RedisLink } from './redis-link.js';
import type { NodePart, RedisNode } from './redis-node.js';
import type { StreamEntry } from './redis-reader.js';
import { ReplicatedHash } from './replicated-hash.js';

/**
 * The subscriptions of all sessions that outlive their connections: a replicated hash, so that the node where a message
 * enters finds their queues, wherever the clients are.
 */
export class DurableSubscriptions implements NodePart {
  readonly log;
  private readonly hash: ReplicatedHash;
  private readonly clients = new Map<string, AbsentSession>();
  /** Sessions whose clients are connected here: they stand in the topic tree themselves. */
  private readonly here = new Map<string, Session>();

  constructor(
    private readonly node: RedisNode,
    private readonly appends: RedisAppends,
  ) {
    const { subscriptions: hash, subscriptionsLog: log, subscriptionsVersion: version } = node.keys;
    this.hash = new ReplicatedHash(node.name, { hash, log, version }, node.settings.logEntries);
    this.log = { key: log, take: (entry: StreamEntry) => this.hearChange(entry) };
  }

  async prepare(link: RedisLink): Promise<void> {
    this.hash.forgetPending();
    const found = new Set<string>();
    await this.hash.readAll(link, (field, record) => {
      found.add(field);
      this.apply(field, record);
    });
    for (const { clientId, subscriptions } of this.clients.values()) {
      for (const filter of subscriptions.keys()) {
        const field = fieldOf(clientId, filter);
        if (!found.has(field)) this.apply(field, undefined);
      }
    }
  }

  /** Resolves when this node knows of every subscription that was acknowledged before. */
  catchUp(link: RedisLink): Promise<void> {
    return this.hash.catchUp(link);
  }

  /** The client is connected here from now on. */
  arrive(session: Session): void {
    const { clientId } = session;
    const absent = this.clients.get(clientId);
    this.here.set(clientId, session);
    for (const [filter, subscription] of absent?.subscriptions ?? []) {
      this.hide(absent!, filter, subscription);
      this.node.broker.subscriptions.enter(session, filter, subscription);
    }
  }

  /** The client is here no longer; its session, if it goes on, has left the topic tree. */
  leave(session: Session): void {
    const { clientId } = session;
    if (this.here.get(clientId) !== session) return;
    this.here.delete(clientId);
    const absent = this.clients.get(clientId);
    for (const [filter, subscription] of absent?.subscriptions ?? []) this.show(absent!, filter, subscription);
  }

  /** A session that is here has subscribed; `kept` settles when every node will know. */
  save(session: Session, filter: string, subscription: Subscription): Promise<void> {
    const absent = this.absent(session.clientId);
    absent.subscriptions.set(filter, subscription);
    absent.generation = Math.max(absent.generation, session.generation);
    return this.write(session.clientId, filter, recordOf(subscription, session.generation));
  }

  /** A session that is here has unsubscribed. */
  delete(session: Session, filter: string): Promise<void> {
    this.drop(session.clientId, filter);
    return this.write(session.clientId, filter, undefined);
  }

  /** What the session of a client has subscribed to. */
  of(clientId: string): ReadonlyMap<string, Subscription> {
    return this.clients.get(clientId)?.subscriptions ?? new Map<string, Subscription>();
  }

  /** The groups of which the client is a member: `$share/group/filter`. */
  groupsOf(clientId: string): string[] {
    return [...this.of(clientId)].flatMap(([filter, { share }]) => (share === undefined ? [] : filter));
  }

  /** The session of a client has ended: nothing is queued for it any more. */
  async forget(link: RedisLink, clientId: string): Promise<void> {
    const absent = this.clients.get(clientId);
    if (!absent || this.here.has(clientId)) return;
    await Promise.all(
      [...absent.subscriptions.keys()].map(async (filter) => {
        const field = fieldOf(clientId, filter);
        const record = await link.commands.hgetBuffer(this.node.keys.subscriptions, field);
        // Unless a new session has subscribed meanwhile.
        if (record && generationOf(record) <= absent.generation) {
          await this.hash.write(link, { field, record: nothing, isRemoval: true, notes: [] }, record);
        }
        if (!this.here.has(clientId)) this.apply(field, undefined);
      }),
    );
  }

  private async write(clientId: string, filter: string, record: Buffer | undefined): Promise<void> {
    const { link } = this.node;
    if (!link) throw new Error('Redis is away');
    const field = fieldOf(clientId, filter);
    try {
      await this.hash.write(link, { field, record: record ?? nothing, isRemoval: !record, notes: [] });
    } catch (error) {
      link.noteError(error);
      throw error;
    }
  }

  private hearChange({ fields }: StreamEntry): undefined {
    const { change, isApplied } = this.hash.hear(fields);
    const { field, record, isRemoval } = change;
    if (!isApplied && !this.hash.isOurs(field)) this.apply(field, isRemoval ? undefined : record);
  }

  /** What another node has written. */
  private apply(field: string, record: Buffer | undefined): void {
    const at = field.indexOf('\0');
    const [clientId, filter] = [field.slice(0, at), field.slice(at + 1)];
    const subscription = record && subscriptionOf(record);
    if (at < 0 || !isTopicFilter(filter)) return;
    const { subscriptions } = this.node.broker;
    const session = this.here.get(clientId);
    const absent = this.absent(clientId);
    if (record) absent.generation = Math.max(absent.generation, generationOf(record));
    if (session && subscription) subscriptions.enter(session, filter, subscription);
    else if (session?.subscriptions.has(filter)) subscriptions.leave(session, filter);
    else if (!session && subscription) this.show(absent, filter, subscription);
    else if (!session && absent.subscriptions.has(filter)) this.hide(absent, filter, absent.subscriptions.get(filter)!);
    if (subscription) absent.subscriptions.set(filter, subscription);
    else this.drop(clientId, filter);
  }

  private show(absent: AbsentSession, filter: string, subscription: Subscription): void {
    const { topics, subscriptions } = this.node.broker;
    if (subscription.share === undefined) topics.subscribe(absent, subscription);
    else subscriptions.joinAbsent(filter, absent, subscription);
  }

  private hide(absent: AbsentSession, filter: string, subscription: Subscription): void {
    const { topics, subscriptions } = this.node.broker;
    if (subscription.share === undefined) topics.unsubscribe(absent, subscription.filter);
    else subscriptions.leaveAbsent(filter, absent);
  }

  private absent(clientId: string): AbsentSession {
    const known = this.clients.get(clientId);
    if (known) return known;
    const absent = new AbsentSession(clientId, this.appends);
    this.clients.set(clientId, absent);
    return absent;
  }

  private drop(clientId: string, filter: string): void {
    const absent = this.clients.get(clientId);
    if (absent?.subscriptions.delete(filter) && absent.subscriptions.size === 0) this.clients.delete(clientId);
  }
}

const nothing = Buffer.alloc(0);

/** No client id holds a NUL ([MQTT-1.5.4-2]). */
const fieldOf = (clientId: string, filter: string): string => `${clientId}\0${filter}`;

const recordOf = (subscription: Subscription, generation: number): Buffer =>
  Buffer.from(JSON.stringify({ ...subscription, generation }));

function subscriptionOf(record: Buffer): Subscription {
  const { generation: _, ...subscription } = JSON.parse(record.toString()) as Subscription & { generation: number };
  return subscription;
}

const generationOf = (record: Buffer): number => (JSON.parse(record.toString()) as { generation: number }).generation;
