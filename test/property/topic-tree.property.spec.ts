import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { covers, isTopicFilter, isTopicName, matches } from '../../lib/topics/topic-names.js';
import type { Target } from '../../lib/topics/match.js';
import type { Subscription } from '../../lib/topics/subscription.js';
import { TopicTree } from '../../lib/topics/topic-tree.js';
import { referenceMatches } from '../support/reference-matcher.js';
import { cachedIn, literalsOf, nodesOf } from '../support/tree-inspection.js';

interface Subscriber {
  readonly name: string;
}

// Few levels, so that filters overlap and topics come again.
const levels = ['a', 'b', '', '$s', 'constructor'];
const topic = fc
  .array(fc.constantFrom(...levels), { minLength: 1, maxLength: 4 })
  .map((drawn) => drawn.join('/'))
  .map((drawn) => drawn || 'a');
const filter = fc
  .tuple(fc.array(fc.constantFrom(...levels, '+', '+'), { minLength: 1, maxLength: 4 }), fc.nat({ max: 3 }))
  .map(([drawn, end]) => (end === 0 ? [...drawn.slice(1), '#'] : drawn).join('/'))
  .map((drawn) => drawn || '+');

const subscription = fc.record<Subscription>({
  filter,
  qos: fc.constantFrom(0, 1, 2),
  noLocal: fc.boolean(),
  retainAsPublished: fc.boolean(),
  retainHandling: fc.constant(0),
  identifier: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined }),
});

const subscribers: readonly Subscriber[] = ['ann', 'bob', 'eve'].map((name) => ({ name }));
const subscriber = fc.constantFrom(...subscribers);

type Step =
  | { readonly kind: 'subscribe'; readonly subscriber: Subscriber; readonly subscription: Subscription }
  | { readonly kind: 'unsubscribe'; readonly subscriber: Subscriber; readonly filter: string }
  | { readonly kind: 'match'; readonly topic: string };

const history = fc.array(
  fc.oneof(
    fc.record({ subscriber, subscription }).map((fields): Step => ({ kind: 'subscribe', ...fields })),
    fc.record({ subscriber, filter }).map((fields): Step => ({ kind: 'unsubscribe', ...fields })),
    fc.record({ topic }).map((fields): Step => ({ kind: 'match', ...fields })),
  ),
  { maxLength: 40, size: 'max' },
);

/** What the tree is to answer: every subscription by subscriber and filter, looked through one by one. */
class ReferenceTree {
  private readonly held = new Map<Subscriber, Map<string, Subscription>>(subscribers.map((key) => [key, new Map()]));

  get all(): readonly (readonly [Subscriber, Subscription])[] {
    return [...this.held].flatMap(([key, filters]) => [...filters.values()].map((value) => [key, value] as const));
  }

  subscribe(key: Subscriber, added: Subscription): Subscription | undefined {
    const before = this.held.get(key)!.get(added.filter);
    this.held.get(key)!.set(added.filter, added);
    return before;
  }

  unsubscribe(key: Subscriber, removed: string): Subscription | undefined {
    const before = this.held.get(key)!.get(removed);
    this.held.get(key)!.delete(removed);
    return before;
  }

  match(name: string): readonly Outcome[] {
    return [...this.held].flatMap(([key, filters]) => {
      const found = [...filters.values()].filter((candidate) => referenceMatches(candidate.filter, name));
      return found.length === 0 ? [] : [{ ...merged(key, found), own: own(key, found) }];
    });
  }
}

interface Merged {
  readonly name: string;
  readonly qos: number;
  readonly retainAsPublished: boolean;
  readonly identifiers: readonly number[];
}
type Outcome = Merged & { readonly own: Merged | undefined };

const ascending = (numbers: readonly number[]) => [...numbers].sort((one, other) => one - other);

const merged = ({ name }: Subscriber, found: readonly Subscription[]): Merged => ({
  name,
  qos: Math.max(...found.map(({ qos }) => qos)),
  retainAsPublished: found.some(({ retainAsPublished }) => retainAsPublished),
  identifiers: ascending(found.flatMap(({ identifier }) => identifier ?? [])),
});

function own(key: Subscriber, found: readonly Subscription[]): Merged | undefined {
  const left = found.filter(({ noLocal }) => !noLocal);
  return left.length === 0 ? undefined : merged(key, left);
}

const seen = (target: Target<Subscriber>): Merged => ({
  name: target.subscriber.name,
  qos: target.qos,
  retainAsPublished: target.retainAsPublished,
  identifiers: ascending(target.identifiers ?? []),
});

const outcomeOf = (targets: readonly Target<Subscriber>[]): Outcome[] =>
  targets
    .map((target) => ({ ...seen(target), own: target.own && seen(target.own) }))
    .sort((one, other) => one.name.localeCompare(other.name));

function run(steps: readonly Step[], cachedTopics: number): [TopicTree<Subscriber>, ReferenceTree] {
  const tree = new TopicTree<Subscriber>(cachedTopics);
  const reference = new ReferenceTree();
  for (const step of steps) {
    if (step.kind === 'match') {
      expect(outcomeOf(tree.match(step.topic).targets)).toEqual(reference.match(step.topic));
    } else if (step.kind === 'subscribe') {
      const replaced = tree.subscribe(step.subscriber, step.subscription);
      expect(replaced).toEqual(reference.subscribe(step.subscriber, step.subscription));
    } else {
      const removed = tree.unsubscribe(step.subscriber, step.filter);
      expect(removed).toEqual(reference.unsubscribe(step.subscriber, step.filter));
    }
  }
  return [tree, reference];
}

const cachedTopics = fc.nat({ max: 5 });

describe('TopicTree', () => {
  it('answers like the reference through any history, cached or not', () => {
    fc.assert(
      fc.property(history, cachedTopics, (steps, limit) => {
        const [tree, reference] = run(steps, limit);

        expect(tree.size).toBe(reference.all.length);
        expect(cachedIn(tree)).toBeLessThanOrEqual(2 * Math.max(1, limit));
      }),
      { numRuns: 2000 },
    );
  });

  it('answers for every topic of a history after each change', () => {
    fc.assert(
      fc.property(fc.array(topic, { minLength: 1, maxLength: 5 }), history, (topics, steps) => {
        const asked = topics.map((name): Step => ({ kind: 'match', topic: name }));

        run(
          steps.flatMap((step) => [step, ...asked]),
          3,
        );
      }),
      { numRuns: 500 },
    );
  });

  it('[A10] is empty again after everything is unsubscribed, in any order', () => {
    const order = fc.infiniteStream(fc.nat());

    fc.assert(
      fc.property(history, order, (steps, random) => {
        const [tree, reference] = run(steps, 5);
        const left = [...reference.all];

        while (left.length > 0) {
          const [[key, { filter: removed }]] = left.splice(random.next().value! % left.length, 1);
          expect(tree.unsubscribe(key, removed)).toBeDefined();
        }

        expect([tree.size, literalsOf(tree), nodesOf(tree)]).toEqual([0, 0, 1]);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('topic names', () => {
  it('matches answers like the reference', () => {
    fc.assert(
      fc.property(filter, topic, (drawn, name) => {
        expect(isTopicFilter(drawn) && isTopicName(name)).toBe(true);
        expect(matches(drawn, name)).toBe(referenceMatches(drawn, name));
      }),
      { numRuns: 5000 },
    );
  });

  it('covers is true exactly when every topic of the requested filter matches the declared one', () => {
    // One level more than any filter has, and a name that no filter has: a topic that tells two filters apart is here.
    const names = topicsOf(['a', 'b', '$s', 'other'], 4);
    const filters = topicsOf(['a', '$s', '+', '#'], 3).filter((drawn) => isTopicFilter(drawn));
    const got = new Map(filters.map((drawn) => [drawn, names.filter((name) => referenceMatches(drawn, name))]));

    const wrong = filters.flatMap((declared) => {
      const matched = new Set(got.get(declared));
      return filters.filter(
        (requested) => covers(declared, requested) !== got.get(requested)!.every((name) => matched.has(name)),
      );
    });

    expect(wrong).toEqual([]);
  });
});

/** Every topic of up to `depth` levels out of `alphabet`. */
function topicsOf(alphabet: readonly string[], depth: number): string[] {
  if (depth === 1) return [...alphabet];
  const shorter = topicsOf(alphabet, depth - 1);
  return [...new Set([...shorter, ...shorter.flatMap((rest) => alphabet.map((level) => `${level}/${rest}`))])];
}
