import { add, collect, entryOf, find, matchOf, remove, type Entries, type Entry, type Match } from './match.js';
import { MatchCache } from './match-cache.js';
import type { Subscription } from './subscription.js';
import { hashOf, TextTable } from './text-table.js';
import { hasWildcard } from './topic-names.js';
import { WildcardTree } from './wildcard-tree.js';

/**
 * Which subscribers get a message: topic filters in, targets out.
 *
 * Filters without a wildcard stand in one flat table; only those with `+` or `#` make a tree. What a topic matched is cached,
 * subscribers with overlapping filters already merged.
 *
 * Rejected: a tree for all filters (six nodes for a six-level literal).
 */
export class TopicTree<S extends object> {
  private readonly literals = new TextTable<undefined, Entries<S>>();
  private readonly wildcards = new WildcardTree<S>();
  private readonly cache: MatchCache<S>;
  private count = 0;
  /** Empty between look-ups. */
  private readonly found: Entry<S>[] = [];

  /** @param cachedTopics how many topics the match cache remembers at most; up to the next power of two */
  constructor(cachedTopics = 32_768) {
    this.cache = new MatchCache(cachedTopics);
  }

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
    const entry = entryOf(subscriber, subscription);
    const replaced = hasWildcard(filter) ? this.addWildcard(filter, entry) : this.addLiteral(filter, entry);
    if (!replaced) this.count++;
    return replaced?.subscription;
  }

  /** Removes the subscription with exactly this filter. */
  unsubscribe(subscriber: S, filter: string): Subscription | undefined {
    const removed = hasWildcard(filter)
      ? this.removeWildcard(filter, subscriber)
      : this.removeLiteral(filter, subscriber);
    if (removed) this.count--;
    return removed?.subscription;
  }

  /**
   * What a message on `topic` is to be delivered to; the result is shared and stays valid until the next change.
   * @param known a hash of the topic that somebody has at hand; 0: none
   */
  match(topic: string, known = 0): Match<S> {
    const hash = known || hashOf(topic);
    const cached = this.cache.get(topic, hash);
    if (cached !== undefined) return cached;
    const match = this.find(topic, known === 0 ? hash : hashOf(topic));
    this.cache.offer(topic, hash, match);
    return match;
  }

  private find(topic: string, hash: number): Match<S> {
    const { found } = this;
    collect(this.literals.get(undefined, hash, topic), found);
    if (!this.wildcards.isEmpty) this.wildcards.collect(topic, found);
    const match = matchOf(found, this.cache.epochsOf(topic, hash));
    found.length = 0;
    return match;
  }

  private addWildcard(filter: string, entry: Entry<S>): Entry<S> | undefined {
    this.cache.forgetWildcard(filter);
    return this.wildcards.add(filter, entry);
  }

  private removeWildcard(filter: string, subscriber: S): Entry<S> | undefined {
    const removed = this.wildcards.remove(filter, subscriber);
    if (removed) this.cache.forgetWildcard(filter);
    return removed;
  }

  private addLiteral(filter: string, entry: Entry<S>): Entry<S> | undefined {
    const hash = hashOf(filter);
    const entries = this.literals.get(undefined, hash, filter);
    const replaced = find(entries, entry.subscriber);
    this.cache.forgetLiteral(hash);
    this.literals.set(undefined, hash, filter, add(entries, entry));
    return replaced;
  }

  private removeLiteral(filter: string, subscriber: S): Entry<S> | undefined {
    const hash = hashOf(filter);
    const entries = this.literals.get(undefined, hash, filter);
    const removed = find(entries, subscriber);
    if (!removed) return undefined;
    this.cache.forgetLiteral(hash);
    const left = remove(entries, subscriber);
    if (left === undefined) this.literals.delete(undefined, hash, filter);
    else this.literals.set(undefined, hash, filter, left);
    return removed;
  }
}
