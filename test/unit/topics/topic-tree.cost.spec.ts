import { describe, expect, it } from '@jest/globals';
import type { Subscription } from '../../../lib/topics/subscription.js';
import { TopicTree } from '../../../lib/topics/topic-tree.js';
import { cachedIn, levelHashesOf, literalsOf, nodesOf, nodesVisited } from '../../support/tree-inspection.js';

/** Full size with `npm run test:long`. */
const oneOffFilters = process.env.MQTTD_TEST_LONG ? 1_000_000 : 20_000;
const longTimeoutMs = 120_000;

const subscriber = {};
const to = (filter: string): Subscription => ({
  filter,
  qos: 0,
  noLocal: false,
  retainAsPublished: false,
  retainHandling: 0,
});
const times = <T>(count: number, make: (index: number) => T) =>
  Array.from({ length: count }, (_, index) => make(index));
const treeOf = (filters: readonly string[], cachedTopics?: number) => {
  const tree = new TopicTree(cachedTopics);
  for (const filter of filters) tree.subscribe(subscriber, to(filter));
  return tree;
};

describe('TopicTree, what it costs', () => {
  it('[A10] a filter of 100 + is matched in 101 steps', () => {
    const tree = treeOf([times(100, () => '+').join('/')]);
    const topic = times(100, () => 'a').join('/');

    expect(nodesVisited(tree, () => tree.match(topic))).toBe(101);
    expect(tree.match(topic).targets).toHaveLength(1);
  });

  it('[A10] a deep topic stops where the filters end', () => {
    const tree = treeOf(['+/+', '+/b/#']);
    const topic = times(128, () => 'b').join('/');

    expect(nodesVisited(tree, () => tree.match(topic))).toBe(4);
  });

  it('[A10] no node is visited twice, however the filters branch', () => {
    const filters = times(1024, (bits) => times(10, (level) => ((bits >> level) & 1 ? '+' : 'a')).join('/'));
    const tree = treeOf(filters);

    expect(nodesVisited(tree, () => tree.match(times(10, () => 'a').join('/')))).toBe(nodesOf(tree));
  });

  it(
    '[A10] a tree of many one-off filters is matched in as many steps as the topic has ways',
    () => {
      const filters = times(oneOffFilters, (index) => `one-off/${index}/+`);
      const tree = treeOf(filters);

      expect(nodesVisited(tree, () => tree.match('one-off/7/x'))).toBe(4);
      expect(nodesVisited(tree, () => tree.match('one-off/none/x'))).toBe(2);
    },
    longTimeoutMs,
  );

  it(
    '[A10] many one-off filters give everything back',
    () => {
      const filters = times(oneOffFilters, (index) =>
        index % 3 === 0 ? `one-off/${index}/#` : index % 3 === 1 ? `one-off/${index}/+/x` : `one-off/${index}`,
      );
      const tree = treeOf(filters);
      expect(tree.size).toBe(oneOffFilters);

      for (const filter of filters) tree.unsubscribe(subscriber, filter);

      expect([tree.size, literalsOf(tree), nodesOf(tree)]).toEqual([0, 0, 1]);
    },
    longTimeoutMs,
  );

  it('[A10] filters that differ only in where their levels end are not looked for in one row of slots', () => {
    const bits = 12;
    const split = (cuts: number) => times(bits, (at) => ((cuts >> at) & 1 ? 'a/' : 'a')).join('');
    const hashes = levelHashesOf(treeOf(times(2 ** bits, (cuts) => `${split(cuts)}/+`)));

    expect(hashes.length).toBeGreaterThan(2 ** bits);
    expect(new Set(hashes).size).toBeGreaterThan(hashes.length - 10);
  });

  it('[A10] a filter that is not there makes no nodes', () => {
    const tree = treeOf(['a/+']);
    const before = nodesOf(tree);

    for (const filter of ['b/+', 'a/+/c', 'a/b/#', 'x']) tree.unsubscribe(subscriber, filter);

    expect(nodesOf(tree)).toBe(before);
  });

  /** Asked for once, a topic may never be asked for again: the second time it is remembered. */
  const ask = (tree: ReturnType<typeof treeOf>, topic: string) => {
    tree.match(topic);
    tree.match(topic);
  };

  it('answers a topic that was asked for twice without visiting the tree', () => {
    const tree = treeOf(['a/+']);
    ask(tree, 'a/b');

    expect(nodesVisited(tree, () => tree.match('a/b'))).toBe(0);
  });

  it('keeps the answer when a filter below another first level changes', () => {
    const tree = treeOf(['a/+', 'b/+']);
    ask(tree, 'a/b');

    tree.subscribe({}, to('b/#'));

    expect(nodesVisited(tree, () => tree.match('a/b'))).toBe(0);
  });

  it('keeps the answer when another literal filter changes', () => {
    const tree = treeOf(['a/+']);
    ask(tree, 'a/b');

    tree.subscribe({}, to('a/c'));

    expect(nodesVisited(tree, () => tree.match('a/b'))).toBe(0);
  });

  it('remembers a bounded number of topics, the recent ones among them', () => {
    const tree = treeOf(['a/+'], 10);

    for (const topic of times(1000, (index) => `a/${index}`)) ask(tree, topic);

    expect(cachedIn(tree)).toBeLessThanOrEqual(20);
    expect(nodesVisited(tree, () => tree.match('a/999'))).toBe(0);
  });

  it('remembers a topic that is asked for again and again through a flood of others', () => {
    const tree = treeOf(['a/+'], 10);
    ask(tree, 'a/again');

    const visited = times(1000, (index) => {
      ask(tree, `a/${index}`);
      return nodesVisited(tree, () => tree.match('a/again'));
    });

    expect(Math.max(...visited)).toBe(0);
  });

  it('does not let topics that are asked for once push out others', () => {
    const tree = treeOf(['a/+'], 10);
    ask(tree, 'a/often');
    for (const topic of times(1000, (index) => `a/${index}`)) tree.match(topic);
    expect(cachedIn(tree)).toBe(1);
  });

  it('[A10] does not remember long topics, of which a flood would hold gigabytes', () => {
    const tree = treeOf(['a/+'], 10);
    const long = `a/${'x'.repeat(300)}`;

    expect(tree.match(long).targets).toHaveLength(1);
    expect(cachedIn(tree)).toBe(0);
  });
});
