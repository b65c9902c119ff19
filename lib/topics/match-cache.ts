import type { Epochs, Match } from './match.js';
import { hashOf } from './text-table.js';

/**
 * What topics matched that are asked for again and again.
 *
 * A row of slots, in which a topic has two that it may be in: what is new, or asked for less often, gives way in the second.
 * It grows while that would push out what is current. A change to a subscription raises an epoch that is compared at look-up,
 * so nothing ever scans the slots: those of wildcard filters are kept by the first level, of others by the whole filter, both
 * hashed into buckets, so that devices that subscribe to what is their own do not spoil each other's entries.
 *
 * Rejected: one epoch for everything (any SUBSCRIBE empties the cache), reference counts per cached topic (memory for topics
 * nobody publishes to), a Map (a third of the time of a look-up, and three times as much in a flood of topics).
 */
export class MatchCache<S> {
  private hashes = new Int32Array(fewest);
  private topics = emptySlots<string>(fewest);
  private matches = emptySlots<Match<S>>(fewest);
  /** By slot the hash of a topic that was asked for lately and not remembered. */
  private asked = new Int32Array(fewest);
  private readonly literalEpochs = new Uint32Array(epochBuckets);
  private readonly wildcardEpochs = new Uint32Array(epochBuckets);
  private rootEpoch = 0;
  /** All changes to subscriptions. */
  private changes = 0;
  private count = 0;
  private targets = 0;

  /** @param mostTopics that are remembered; up to the next power of two */
  constructor(private readonly mostTopics: number) {}

  get size(): number {
    return this.count;
  }

  /** @param hash of the topic, of whatever kind */
  get(topic: string, hash: number): Match<S> | undefined {
    const first = this.slotOf(hash);
    if (this.hashes[first] === hash && this.topics[first] === topic) return this.current(first);
    const second = first + 1;
    if (this.hashes[second] !== hash || this.topics[second] !== topic) return undefined;
    this.swap(first, second);
    return this.current(first);
  }

  /** Remembers what was asked for before: what is asked for once would only push out what is asked for often. */
  offer(topic: string, hash: number, match: Match<S>): void {
    // Remembered by count, long topics would add up: 32,768 of 64 KiB are 2 GiB.
    if (topic.length > longestCached) return;
    const first = this.slotOf(hash);
    if (this.hashes[first] === hash && this.topics[first] === topic) this.put(first, topic, hash, match);
    else if (this.asked[first] === hash) this.remember(topic, hash, match);
    else this.asked[first] = hash;
  }

  /**
   * What a match that is made now is to carry.
   * @param hash of the topic, the same as that of a filter
   */
  epochsOf(topic: string, hash: number): Epochs {
    const literal = hash & (epochBuckets - 1);
    const wildcard = bucketOf(topic);
    return {
      checkedAt: this.changes,
      rootEpoch: this.rootEpoch,
      literal,
      literalEpoch: this.literalEpochs[literal],
      wildcard,
      wildcardEpoch: this.wildcardEpochs[wildcard],
    };
  }

  /**
   * A subscription to a filter without wildcards has come or gone.
   * @param hash of the filter
   */
  forgetLiteral(hash: number): void {
    this.changes++;
    this.literalEpochs[hash & (epochBuckets - 1)]++;
  }

  /** A subscription to a filter with wildcards has come or gone. */
  forgetWildcard(filter: string): void {
    this.changes++;
    if (filter.startsWith('+') || filter.startsWith('#')) this.rootEpoch++;
    else this.wildcardEpochs[bucketOf(filter)]++;
  }

  /** The first of two slots. */
  private slotOf(hash: number): number {
    return (hash ^ (hash >>> 15)) & (this.hashes.length - 2);
  }

  private current(slot: number): Match<S> | undefined {
    const match = this.matches[slot];
    return match !== undefined && this.isCurrent(match) ? match : undefined;
  }

  private isCurrent(match: Match<S>): boolean {
    // Mostly nothing at all has changed.
    if (match.checkedAt === this.changes) return true;
    const isCurrent =
      match.rootEpoch === this.rootEpoch &&
      match.wildcardEpoch === this.wildcardEpochs[match.wildcard] &&
      match.literalEpoch === this.literalEpochs[match.literal];
    if (isCurrent) match.checkedAt = this.changes;
    return isCurrent;
  }

  private remember(topic: string, hash: number, match: Match<S>): void {
    const first = this.slotOf(hash);
    if (!this.current(first)) this.put(first, topic, hash, match);
    else if (!this.current(first + 1)) this.put(first + 1, topic, hash, match);
    else if (this.hashes.length < this.mostTopics) {
      this.grow();
      this.remember(topic, hash, match);
    } else {
      this.put(first + 1, topic, hash, match);
    }
  }

  private put(slot: number, topic: string, hash: number, match: Match<S>): void {
    const replaced = this.matches[slot];
    if (replaced) this.targets -= weightOf(replaced);
    else this.count++;
    this.targets += weightOf(match);
    this.hashes[slot] = hash;
    this.topics[slot] = topic;
    this.matches[slot] = match;
    if (this.targets > mostTargets) this.clear(this.hashes.length);
  }

  private swap(one: number, other: number): void {
    const [hash, topic, match] = [this.hashes[one], this.topics[one], this.matches[one]];
    this.hashes[one] = this.hashes[other];
    this.topics[one] = this.topics[other];
    this.matches[one] = this.matches[other];
    this.hashes[other] = hash;
    this.topics[other] = topic;
    this.matches[other] = match;
  }

  private clear(room: number): void {
    this.hashes = new Int32Array(room);
    this.asked = new Int32Array(room);
    this.topics = emptySlots(room);
    this.matches = emptySlots(room);
    this.count = this.targets = 0;
  }

  private grow(): void {
    const { hashes, topics, matches } = this;
    this.clear(hashes.length * 2);
    for (const [slot, match] of matches.entries()) {
      if (match && this.isCurrent(match)) this.remember(topics[slot]!, hashes[slot], match);
    }
  }
}

const epochBuckets = 4096;
/** Slots at first. */
const fewest = 2;
/** Targets and Subscription Identifiers that the cache holds, about: eight bytes each. */
const mostTargets = 2_000_000;
/** Characters of a topic whose match is remembered. */
const longestCached = 256;

const emptySlots = <T>(room: number): (T | undefined)[] => Array.from<T | undefined>({ length: room }).fill(undefined);

function weightOf({ targets }: Match<unknown>): number {
  let weight = 0;
  for (const { identifiers } of targets) weight += 1 + (identifiers?.length ?? 0);
  return weight;
}

/** The epoch bucket of the first level of a topic or filter. */
function bucketOf(topic: string): number {
  const slash = topic.indexOf('/');
  return hashOf(topic, 0, slash === -1 ? topic.length : slash) & (epochBuckets - 1);
}
