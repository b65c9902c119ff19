import { hasWildcard } from './topic-names.js';

/**
 * Which subscribers get a message: topic filters in, targets out.
 *
 * Filters without a wildcard stand in one flat Map; only those with `+` or `#` make a tree, one node per level.
 * What a topic matched is cached, subscribers with overlapping filters already merged. A change to a literal filter
 * drops its one key; a change to a wildcard filter raises an epoch that is compared at look-up, so nothing ever scans
 * the cache. Epochs are kept per first level (hashed into buckets): devices that subscribe below their own first
 * level do not spoil each other's entries.
 *
 * Rejected: a tree for all filters (six Maps for a six-level literal), an epoch for everything (any SUBSCRIBE
 * empties the cache), reference counts per cached topic (memory for topics nobody publishes to).
 */
export class TopicTree<S extends object> {
  private readonly literals = new Map<string, Entries<S>>();
  private readonly root = new Level<S>();
  private young = new Map<string, Match<S>>();
  private old = new Map<string, Match<S>>();
  /** Hashes of topics that were asked for lately and not remembered. */
  private readonly asked = new Int32Array(askedSlots);
  private readonly epochs: number[] = Array.from({ length: epochBuckets }, () => 0);
  private rootEpoch = 0;
  /** Targets in the young generation. */
  private youngTargets = 0;
  private count = 0;

  /** @param cachedTopics how many topics the match cache remembers at least (and at most twice) */
  constructor(private readonly cachedTopics = 16_384) {}

  /** Subscriptions held: pairs of subscriber and filter. */
  get size(): number {
    return this.count;
  }

  /**
   * Adds a subscription; the same filter of the same subscriber is replaced.
   * @param subscription its filter is well-formed (`isTopicFilter`) and has no `$share` in front
   * @returns the subscription that was replaced
   */
  subscribe(subscriber: S, subscription: Subscription): Subscription | undefined {
    const { filter } = subscription;
    const entry = { subscriber, subscription, target: targetOf(subscriber, [subscription]) };
    let replaced: Entry<S> | undefined;
    if (hasWildcard(filter)) {
      const levels = filter.split('/');
      const node = this.root.descend(levels);
      if (levels.at(-1) === '#') {
        replaced = find(node.below, subscriber);
        node.below = add(node.below, entry);
      } else {
        replaced = find(node.here, subscriber);
        node.here = add(node.here, entry);
      }
    } else {
      const entries = this.literals.get(filter);
      replaced = find(entries, subscriber);
      this.literals.set(filter, add(entries, entry));
    }
    if (!replaced) this.count++;
    this.forget(filter);
    return replaced?.subscription;
  }

  /** Removes the subscription with exactly this filter, and every level that it alone kept alive. */
  unsubscribe(subscriber: S, filter: string): Subscription | undefined {
    const removed = hasWildcard(filter)
      ? this.root.remove(filter.split('/'), 0, subscriber)
      : this.unsubscribeLiteral(subscriber, filter);
    if (!removed) return undefined;
    this.count--;
    this.forget(filter);
    return removed.subscription;
  }

  /** What a message on `topic` is to be delivered to; the result is shared and stays valid until the next change. */
  match(topic: string): Match<S> {
    const match = this.young.get(topic);
    if (match !== undefined && this.isCurrent(match)) return match;
    // Remembered by count, long topics would add up: 32,768 of 64 KiB are 2 GiB.
    if (topic.length > longestCached) return this.find(topic);
    const rescued = this.rescue(topic);
    if (rescued) return this.remember(topic, rescued);
    const found = this.find(topic);
    // What is asked for once would only push out what is asked for often.
    return match !== undefined || this.isAskedAgain(topic) ? this.remember(topic, found) : found;
  }

  private isAskedAgain(topic: string): boolean {
    let hash = topic.length;
    for (let at = 0; at < topic.length; at++) hash = (Math.imul(hash, 31) + topic.charCodeAt(at)) | 0;
    const slot = (hash ^ (hash >>> 15)) & (askedSlots - 1);
    if (this.asked[slot] === hash) return true;
    this.asked[slot] = hash;
    return false;
  }

  private unsubscribeLiteral(subscriber: S, filter: string): Entry<S> | undefined {
    const entries = this.literals.get(filter);
    const removed = find(entries, subscriber);
    if (!removed) return undefined;
    const left = remove(entries, subscriber);
    if (left === undefined) this.literals.delete(filter);
    else this.literals.set(filter, left);
    return removed;
  }

  private isCurrent(match: Match<S>): boolean {
    return match.rootEpoch === this.rootEpoch && match.epoch === this.epochs[match.bucket];
  }

  /** A topic that was asked for lately moves from the old generation to the young one. */
  private rescue(topic: string): Match<S> | undefined {
    const match = this.old.get(topic);
    return match !== undefined && this.isCurrent(match) ? match : undefined;
  }

  private remember(topic: string, match: Match<S>): Match<S> {
    if (this.young.size >= this.cachedTopics || this.youngTargets >= cachedTargets) {
      this.old = this.young;
      this.young = new Map();
      this.youngTargets = 0;
    }
    for (const { identifiers } of match.targets) this.youngTargets += 1 + (identifiers?.length ?? 0);
    this.young.set(topic, match);
    return match;
  }

  private find(topic: string): Match<S> {
    const found: Entry<S>[] = [];
    collect(this.literals.get(topic), found);
    if (!this.root.isEmpty) this.root.collect(topic.split('/'), 0, found);
    const bucket = bucketOf(topic);
    const matched = merge(found);
    const deciding = matched.filter(({ subscriber }) => decisionOf(subscriber) !== undefined);
    const targets = deciding.length === 0 ? matched : matched.filter((target) => !deciding.includes(target));
    const [gates, acks] = [decidersOf(deciding, 'gate'), decidersOf(deciding, 'ack')];
    return { targets, gates, acks, rootEpoch: this.rootEpoch, epoch: this.epochs[bucket], bucket };
  }

  private forget(filter: string): void {
    if (!hasWildcard(filter)) {
      this.young.delete(filter);
      this.old.delete(filter);
    } else if (filter.startsWith('+') || filter.startsWith('#')) {
      this.rootEpoch++;
    } else {
      const bucket = bucketOf(filter);
      this.epochs[bucket] = this.epochs[bucket] + 1;
    }
  }
}

/** A topic filter and what its subscriber asked for (MQTT 5, 3.8.3.1). */
export interface Subscription {
  /** Without `$share/group/`. */
  readonly filter: string;
  readonly qos: 0 | 1 | 2;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly retainHandling: 0 | 1 | 2;
  /** 1 to 268,435,455 (MQTT 5). */
  readonly identifier?: number | undefined;
  /** ShareName of a Shared Subscription. */
  readonly share?: string | undefined;
}

/** One subscriber and all its subscriptions that match a topic, merged into one delivery. */
export interface Target<S> {
  readonly subscriber: S;
  /** The highest of the matching subscriptions. */
  readonly qos: 0 | 1 | 2;
  readonly retainAsPublished: boolean;
  readonly identifiers: readonly number[] | undefined;
  /**
   * What is left for a message that the subscriber published itself: the same target unless No Local is involved,
   * undefined when every matching subscription has No Local.
   */
  readonly own: Target<S> | undefined;
}

export interface Match<S> {
  readonly targets: readonly Target<S>[];
  /** Who decides before any target gets a message: subscribers with `decides: 'gate'`, which are no targets. */
  readonly gates: readonly S[] | undefined;
  /** Who has to have heard a message before it is acknowledged: subscribers with `decides: 'ack'`, no targets either. */
  readonly acks: readonly S[] | undefined;
  readonly rootEpoch: number;
  readonly epoch: number;
  readonly bucket: number;
}

const decisionOf = (subscriber: object): unknown => ('decides' in subscriber ? subscriber.decides : undefined);

function decidersOf<S extends object>(targets: readonly Target<S>[], kind: 'gate' | 'ack'): S[] | undefined {
  const deciders = targets.map(({ subscriber }) => subscriber).filter((subscriber) => decisionOf(subscriber) === kind);
  return deciders.length === 0 ? undefined : deciders;
}

interface Entry<S> {
  readonly subscriber: S;
  readonly subscription: Subscription;
  readonly target: Target<S>;
}

/** Most filters have one subscriber: an entry alone needs no Map around it. */
type Entries<S> = Entry<S> | Map<S, Entry<S>>;

class Level<S extends object> {
  private children: Map<string, Level<S>> | undefined;
  private plus: Level<S> | undefined;
  /** Filters that end at this level. */
  here: Entries<S> | undefined;
  /** Filters that go on with `#`. */
  below: Entries<S> | undefined;

  /** The node of a filter, made where it is missing; for `#` the node of the level before. */
  descend(levels: readonly string[]): Level<S> {
    let node: Level<S> = this;
    for (const level of levels) if (level !== '#') node = node.child(level);
    return node;
  }

  private child(level: string): Level<S> {
    if (level === '+') return (this.plus ??= new Level());
    this.children ??= new Map();
    let child = this.children.get(level);
    if (!child) this.children.set(level, (child = new Level()));
    return child;
  }

  collect(levels: readonly string[], depth: number, found: Entry<S>[]): void {
    // [MQTT-4.7.2-1] a wildcard in the first level does not match topics that begin with $
    const wildcardsMatch = depth > 0 || !levels[0].startsWith('$');
    if (wildcardsMatch) collect(this.below, found);
    if (depth === levels.length) {
      collect(this.here, found);
      return;
    }
    if (wildcardsMatch) this.plus?.collect(levels, depth + 1, found);
    this.children?.get(levels[depth])?.collect(levels, depth + 1, found);
  }

  remove(levels: readonly string[], depth: number, subscriber: S): Entry<S> | undefined {
    const level = levels[depth];
    let removed: Entry<S> | undefined;
    if (level === undefined) {
      removed = find(this.here, subscriber);
      if (removed) this.here = remove(this.here, subscriber);
    } else if (level === '#' && depth === levels.length - 1) {
      removed = find(this.below, subscriber);
      if (removed) this.below = remove(this.below, subscriber);
    } else if (level === '+') {
      removed = this.plus?.remove(levels, depth + 1, subscriber);
      if (removed && this.plus!.isEmpty) this.plus = undefined;
    } else {
      const child = this.children?.get(level);
      removed = child?.remove(levels, depth + 1, subscriber);
      if (removed && child!.isEmpty) this.children!.delete(level);
    }
    return removed;
  }

  get isEmpty(): boolean {
    return !this.here && !this.below && !this.plus && !this.children?.size;
  }
}

const epochBuckets = 1024;
const askedSlots = 65_536;
/** Targets and Subscription Identifiers that a generation of the cache holds, about: eight bytes each. */
const cachedTargets = 1_000_000;
/** Characters of a topic whose match is remembered. */
const longestCached = 256;

/** The epoch bucket of the first level of a topic or filter. */
function bucketOf(topic: string): number {
  let hash = 0;
  for (let at = 0; at < topic.length; at++) {
    const unit = topic.charCodeAt(at);
    if (unit === 0x2f) break;
    hash = (Math.imul(hash, 31) + unit) | 0;
  }
  return hash & (epochBuckets - 1);
}

function find<S>(entries: Entries<S> | undefined, subscriber: S): Entry<S> | undefined {
  if (entries instanceof Map) return entries.get(subscriber);
  return entries?.subscriber === subscriber ? entries : undefined;
}

function add<S>(entries: Entries<S> | undefined, entry: Entry<S>): Entries<S> {
  if (entries === undefined) return entry;
  if (entries instanceof Map) return entries.set(entry.subscriber, entry);
  if (entries.subscriber === entry.subscriber) return entry;
  return new Map([
    [entries.subscriber, entries],
    [entry.subscriber, entry],
  ]);
}

function remove<S>(entries: Entries<S> | undefined, subscriber: S): Entries<S> | undefined {
  if (!(entries instanceof Map)) return undefined;
  entries.delete(subscriber);
  return entries.size === 0 ? undefined : entries;
}

function collect<S>(entries: Entries<S> | undefined, found: Entry<S>[]): void {
  if (entries === undefined) return;
  if (entries instanceof Map) for (const entry of entries.values()) found.push(entry);
  else found.push(entries);
}

/** One target for each subscriber, in the order in which they were found. */
function merge<S>(found: readonly Entry<S>[]): Target<S>[] {
  if (!hasOverlaps(found)) return found.map(({ target }) => target);
  const bySubscriber = new Map<S, Entry<S>[]>();
  for (const entry of found) {
    const others = bySubscriber.get(entry.subscriber);
    if (others) others.push(entry);
    else bySubscriber.set(entry.subscriber, [entry]);
  }
  return Array.from(bySubscriber, ([subscriber, entries]) =>
    entries.length === 1
      ? entries[0].target
      : targetOf(
          subscriber,
          entries.map(({ subscription }) => subscription),
        ),
  );
}

/** Whether any subscriber was found twice; most topics match few filters, and those are compared without a Set. */
function hasOverlaps<S>(found: readonly Entry<S>[]): boolean {
  if (found.length > 8) return new Set(found.map(({ subscriber }) => subscriber)).size < found.length;
  return found.some(({ subscriber }, index) => {
    for (let earlier = 0; earlier < index; earlier++) if (found[earlier].subscriber === subscriber) return true;
    return false;
  });
}

function targetOf<S>(subscriber: S, subscriptions: readonly Subscription[]): Target<S> {
  const forOwn = subscriptions.filter((subscription) => !subscription.noLocal);
  const target: { -readonly [K in keyof Target<S>]: Target<S>[K] } = combine(subscriber, subscriptions);
  if (forOwn.length === subscriptions.length) target.own = target;
  else if (forOwn.length > 0) target.own = combine(subscriber, forOwn);
  return target;
}

function combine<S>(subscriber: S, subscriptions: readonly Subscription[]): Target<S> {
  const identifiers = subscriptions.flatMap(({ identifier }) => (identifier === undefined ? [] : [identifier]));
  return {
    subscriber,
    // [MQTT-3.3.4-2]
    qos: subscriptions.reduce<0 | 1 | 2>((highest, { qos }) => (qos > highest ? qos : highest), 0),
    retainAsPublished: subscriptions.some((subscription) => subscription.retainAsPublished),
    identifiers: identifiers.length === 0 ? undefined : identifiers,
    own: undefined,
  };
}
