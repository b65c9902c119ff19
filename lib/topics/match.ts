import type { Subscription } from './subscription.js';

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

export interface Match<S> extends Epochs {
  readonly targets: readonly Target<S>[];
  /** Who decides before any target gets a message: subscribers with `decides: 'gate'`, which are no targets. */
  readonly gates: readonly S[] | undefined;
  /** Who has to have heard a message before it is acknowledged: subscribers with `decides: 'ack'`, no targets either. */
  readonly acks: readonly S[] | undefined;
}

/** When a match was made, by buckets of filters: it holds until one of the epochs is another one. */
export interface Epochs {
  /** Of all changes to subscriptions, the last one that is known not to concern it. */
  checkedAt: number;
  readonly rootEpoch: number;
  readonly literal: number;
  readonly literalEpoch: number;
  readonly wildcard: number;
  readonly wildcardEpoch: number;
}

/** A subscription in the tree, and the target that it is by itself. */
export interface Entry<S> extends Target<S> {
  readonly subscription: Subscription;
  /** What its subscriber decides, if it does. */
  readonly decides: unknown;
}

/** Most filters have one subscriber: an entry alone needs no Map around it. */
export type Entries<S> = Entry<S> | Map<S, Entry<S>>;

export function entryOf<S extends object>(subscriber: S, subscription: Subscription): Entry<S> {
  const { qos, retainAsPublished, identifier, noLocal } = subscription;
  const entry: Mutable<Entry<S>> = {
    subscriber,
    qos,
    retainAsPublished,
    identifiers: identifier === undefined ? undefined : [identifier],
    own: undefined,
    subscription,
    decides: 'decides' in subscriber ? subscriber.decides : undefined,
  };
  if (!noLocal) entry.own = entry;
  return entry;
}

export function find<S>(entries: Entries<S> | undefined, subscriber: S): Entry<S> | undefined {
  if (entries instanceof Map) return entries.get(subscriber);
  return entries?.subscriber === subscriber ? entries : undefined;
}

export function add<S>(entries: Entries<S> | undefined, entry: Entry<S>): Entries<S> {
  if (entries === undefined) return entry;
  if (entries instanceof Map) return entries.set(entry.subscriber, entry);
  if (entries.subscriber === entry.subscriber) return entry;
  return new Map([
    [entries.subscriber, entries],
    [entry.subscriber, entry],
  ]);
}

export function remove<S>(entries: Entries<S> | undefined, subscriber: S): Entries<S> | undefined {
  if (!(entries instanceof Map)) return undefined;
  entries.delete(subscriber);
  return entries.size === 0 ? undefined : entries;
}

export function collect<S>(entries: Entries<S> | undefined, found: Entry<S>[]): void {
  if (entries === undefined) return;
  if (entries instanceof Map) for (const entry of entries.values()) found.push(entry);
  else found.push(entries);
}

/** What a message on a topic with these entries is to be delivered to, subscribers in the order in which they were found. */
export function matchOf<S>(found: readonly Entry<S>[], epochs: Epochs): Match<S> {
  const isDecided = found.some(({ decides }) => decides !== undefined);
  const targets = merge(isDecided ? found.filter(({ decides }) => decides === undefined) : found);
  const [gates, acks] = isDecided ? [decidersOf(found, 'gate'), decidersOf(found, 'ack')] : noDeciders;
  const { checkedAt, rootEpoch, literal, literalEpoch, wildcard, wildcardEpoch } = epochs;
  return { targets, gates, acks, checkedAt, rootEpoch, literal, literalEpoch, wildcard, wildcardEpoch };
}

function decidersOf<S>(found: readonly Entry<S>[], kind: 'gate' | 'ack'): S[] | undefined {
  const deciders = new Set(found.filter(({ decides }) => decides === kind).map(({ subscriber }) => subscriber));
  return deciders.size === 0 ? undefined : [...deciders];
}

/** One target for each subscriber. */
function merge<S>(found: readonly Entry<S>[]): Target<S>[] {
  if (found.length === 1) return [found[0]];
  if (!hasOverlaps(found)) return [...found];
  const bySubscriber = new Map<S, Entry<S>[]>();
  for (const entry of found) {
    const others = bySubscriber.get(entry.subscriber);
    if (others) others.push(entry);
    else bySubscriber.set(entry.subscriber, [entry]);
  }
  return Array.from(bySubscriber.values(), (entries) => (entries.length === 1 ? entries[0] : combine(entries)));
}

/** Whether any subscriber was found twice; most topics match few filters, and those are compared without a Set. */
function hasOverlaps<S>(found: readonly Entry<S>[]): boolean {
  if (found.length > 8) return new Set(found.map(({ subscriber }) => subscriber)).size < found.length;
  return found.some(({ subscriber }, index) => {
    for (let earlier = 0; earlier < index; earlier++) if (found[earlier].subscriber === subscriber) return true;
    return false;
  });
}

/** Of one subscriber, at least one. */
function combine<S>(entries: readonly Entry<S>[]): Target<S> {
  const forOwn = entries.filter(({ own }) => own !== undefined);
  const identifiers = entries.flatMap((entry) => entry.identifiers ?? []);
  const target: Mutable<Target<S>> = {
    subscriber: entries[0].subscriber,
    // [MQTT-3.3.4-2]
    qos: entries.reduce<0 | 1 | 2>((highest, { qos }) => (qos > highest ? qos : highest), 0),
    retainAsPublished: entries.some((entry) => entry.retainAsPublished),
    identifiers: identifiers.length === 0 ? undefined : identifiers,
    own: undefined,
  };
  if (forOwn.length === entries.length) target.own = target;
  else if (forOwn.length > 0) target.own = combine(forOwn);
  return target;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const noDeciders = [undefined, undefined] as const;
