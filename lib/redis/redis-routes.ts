import type { Broker } from '../broker/broker.js';
import type { LocalSubscriber } from '../broker/router.js';
import { isShared, isTopicFilter } from '../topics/topic-names.js';
import type { RedisLanes } from './redis-lanes.js';
import type { RedisLink } from './redis-link.js';
import type { NodeSettings, RedisKeys } from './redis-options.js';
import type { Subscription } from '../topics/subscription.js';
import { redisScript } from './redis-scripts.js';
import { RemoteNode, type RoutePresence } from './remote-node.js';

/**
 * Who wants what: this node's filters, told to the others, and the others' filters, in this node's topic tree.
 *
 * Each node writes a hash of its own and a log that all read, with one script. Changes are numbered per node; who
 * misses a number, or hears of a higher one with the node's lease, reads that node's hash anew.
 */
export class RedisRoutes {
  readonly nodes = new Map<string, RemoteNode>();
  /** Number of the last change of this node's routes. */
  version = 0;
  /** Something was not written: everything has to be written again. */
  isStale = false;
  link: RedisLink | undefined;
  private readonly own = new Map<string, RoutePresence>();
  private readonly counts = new Map<string, { online: number; lossy: number }>();
  private changed = new Set<string>();

  constructor(
    readonly name: string,
    private readonly keys: RedisKeys,
    private readonly settings: NodeSettings,
    private readonly lanes: RedisLanes,
    private readonly broker: () => Broker,
  ) {}

  /** Somebody here has one more subscription. */
  subscribed(subscriber: LocalSubscriber, subscription: Subscription): void {
    this.count(subscriber, subscription, 1);
  }

  /** Somebody here has one subscription less. */
  unsubscribed(subscriber: LocalSubscriber, subscription: Subscription): void {
    this.count(subscriber, subscription, -1);
  }

  /** What this node has of `filter` from now on. */
  set(filter: string, presence: RoutePresence): void {
    if (presence === 'none') this.own.delete(filter);
    else this.own.set(filter, presence);
    if (this.changed.size === 0) setImmediate(() => void this.writeChanges());
    this.changed.add(filter);
  }

  /** A session that waits in a store gets QoS 1 and 2 by its queue: its node is sent only what is QoS 0 for it. */
  private count({ stored }: LocalSubscriber, { filter, qos }: Subscription, change: 1 | -1): void {
    const counts = this.counts.get(filter) ?? { online: 0, lossy: 0 };
    counts[stored?.isDurable && qos > 0 ? 'lossy' : 'online'] += change;
    const { online, lossy } = counts;
    if (online + lossy === 0) this.counts.delete(filter);
    else this.counts.set(filter, counts);
    const presence = online > 0 ? 'online' : lossy > 0 ? 'lossy' : 'none';
    if (presence !== (this.own.get(filter) ?? 'none')) this.set(filter, presence);
  }

  /** Writes all routes of this node: the others read them anew. */
  async writeAll(link: RedisLink): Promise<void> {
    this.changed.clear();
    this.isStale = false;
    await this.write(link, { all: true }, [...this.own]);
  }

  /**
   * Reads the routes of every node that there is.
   * @returns the names of the others
   */
  async readAll(link: RedisLink): Promise<string[]> {
    const names = await this.others(link);
    for (const name of names) await this.read(link, name);
    return names;
  }

  /** The other nodes that have not been given up. */
  async others(link: RedisLink): Promise<string[]> {
    return (await link.commands.smembers(this.keys.nodes)).filter((name) => name !== this.name);
  }

  /** Drops all nodes but these. */
  keepOnly(names: readonly string[]): void {
    for (const name of this.nodes.keys()) if (!names.includes(name)) this.drop(name);
  }

  /** Reads the routes of one node. */
  async read(link: RedisLink, name: string): Promise<void> {
    const found = await link.commands.hgetall(this.keys.routes(name));
    const { '': version, ...routes } = found;
    // A node that has just gone.
    if (version === undefined) return;
    const node = this.node(name);
    node.version = Number(version);
    for (const filter of node.routes.keys()) if (!(filter in routes)) this.apply(node, filter, 'none');
    for (const [filter, presence] of Object.entries(routes)) this.apply(node, filter, presence);
  }

  /** An entry of the log: undefined when it could be applied, else the name of the node to read anew. */
  hear(entry: unknown): string | undefined {
    if (!isChange(entry)) throw new Error('an entry of the route log that is none');
    const { node: name, version, changes, left, all } = entry;
    if (name === this.name) return undefined;
    if (left) {
      this.drop(name);
      return undefined;
    }
    const known = this.nodes.get(name);
    if (known && version <= known.version) return undefined;
    if (all || !known || version !== known.version + 1) return name;
    known.version = version;
    for (const [filter, presence] of changes ?? []) this.apply(known, filter, presence);
    return undefined;
  }

  /** Nothing goes to a node any more. */
  drop(name: string): void {
    const node = this.nodes.get(name);
    if (!node) return;
    for (const filter of node.routes.keys()) this.apply(node, filter, 'none');
    this.nodes.delete(name);
    this.lanes.forget(node);
  }

  /** Deletes everything that a node has in Redis, and says so; true when it was there. */
  async erase(link: RedisLink, name: string, condition: 'now' | 'if its lease has run out'): Promise<boolean> {
    const { keys, settings } = this;
    const names = [keys.nodes, keys.routeLog, keys.lease(name), keys.routes(name), keys.inlet(name)];
    const entry = JSON.stringify({ node: name, version: 0, left: true });
    const values = [name, condition === 'now' ? 1 : 0, settings.logEntries, entry];
    return (await link.run(eraseScript, names, values)) === 1;
  }

  private async writeChanges(): Promise<void> {
    const { link, changed, own } = this;
    this.changed = new Set();
    // All is written again when Redis is back.
    if (!link || changed.size === 0) return;
    const changes = [...changed].map((filter) => [filter, own.get(filter) ?? 'none'] as const);
    try {
      await this.write(link, { changes }, changes);
    } catch (error) {
      this.isStale = true;
      link.noteError(error);
    }
  }

  /** @param routes what to set in the hash */
  private async write(link: RedisLink, change: Partial<Change>, routes: NonNullable<Change['changes']>): Promise<void> {
    const { keys, name, settings } = this;
    const version = ++this.version;
    const entry = JSON.stringify({ node: name, version, ...change });
    const values = [name, version, settings.logEntries, entry, change.all ? 1 : 0, ...routes.flat()];
    const names = [keys.nodes, keys.routes(name), keys.routeLog];
    await link.turns.inOrder(keys.routes(name), () => link.run(writeScript, names, values));
  }

  private node(name: string): RemoteNode {
    const known = this.nodes.get(name);
    if (known) return known;
    const node = new RemoteNode(name, this.lanes);
    this.nodes.set(name, node);
    this.broker().log.log(`node joined node=${name}`);
    return node;
  }

  private apply(node: RemoteNode, filter: string, given: string): void {
    const presence = isPresence(given) ? given : 'none';
    if (!isTopicFilter(filter) || node.routes.get(filter) === presence) return;
    const { topics, subscriptions } = this.broker();
    if (presence === 'none') node.routes.delete(filter);
    else node.routes.set(filter, presence);
    if (isShared(filter)) subscriptions.setShareNode(filter, node, presence === 'lossy' ? 'none' : presence);
    else if (presence === 'none') topics.unsubscribe(node, filter);
    else topics.subscribe(node, { ...everything, filter, qos: presence === 'lossy' ? 0 : 2 });
  }
}

// In a slot that is being moved a key that has been deleted cannot be made again: so the hash never becomes empty.
const writeScript = redisScript(`
redis.call('HSET', KEYS[2], '', ARGV[2])
if ARGV[5] == '1' then
  for _, filter in ipairs(redis.call('HKEYS', KEYS[2])) do
    if filter ~= '' then redis.call('HDEL', KEYS[2], filter) end
  end
end
for index = 6, #ARGV, 2 do
  if ARGV[index + 1] == 'none' then redis.call('HDEL', KEYS[2], ARGV[index])
  else redis.call('HSET', KEYS[2], ARGV[index], ARGV[index + 1]) end
end
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[3], '*', 'c', ARGV[4])
return 1`);

// A node that has come back in this very moment is left alone.
const eraseScript = redisScript(`
if ARGV[2] == '0' and redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
redis.call('DEL', KEYS[3], KEYS[4], KEYS[5])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', 'c', ARGV[4])
return redis.call('SREM', KEYS[1], ARGV[1])`);

const everything = { qos: 2, noLocal: false, retainAsPublished: true, retainHandling: 2 } as const;

const isPresence = (given: string): given is RoutePresence =>
  given === 'online' || given === 'asleep' || given === 'lossy' || given === 'none';

interface Change {
  readonly node: string;
  readonly version: number;
  readonly changes?: readonly (readonly [filter: string, presence: string])[];
  /** The node is gone. */
  readonly left?: boolean;
  /** Its routes were written anew. */
  readonly all?: boolean;
}

function isChange(entry: unknown): entry is Change {
  const { node, version, changes = [] } = (entry ?? {}) as Partial<Change>;
  const isPair = (pair: unknown) => Array.isArray(pair) && pair.every((part) => typeof part === 'string');
  return typeof node === 'string' && typeof version === 'number' && Array.isArray(changes) && changes.every(isPair);
}
