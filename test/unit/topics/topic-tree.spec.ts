import { describe, expect, it } from '@jest/globals';
import type { Subscription } from '../../../lib/topics/subscription.js';
import { TopicTree } from '../../../lib/topics/topic-tree.js';
import { literalsOf, nodesOf } from '../../support/tree-inspection.js';

const defaults = { qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
const to = (filter: string, options: Partial<Subscription> = {}): Subscription => ({ ...defaults, filter, ...options });

const ann = { name: 'ann' };
const bob = { name: 'bob' };
const treeWith = (...subscriptions: [typeof ann, Subscription][]) => {
  const tree = new TopicTree<typeof ann>();
  for (const [subscriber, subscription] of subscriptions) tree.subscribe(subscriber, subscription);
  return tree;
};
const subscribersOf = (tree: TopicTree<typeof ann>, topic: string) =>
  tree
    .match(topic)
    .targets.map(({ subscriber }) => subscriber.name)
    .sort();

describe('TopicTree', () => {
  it('finds literal and wildcard filters', () => {
    const tree = treeWith([ann, to('a/b')], [bob, to('a/+')]);

    expect(subscribersOf(tree, 'a/b')).toEqual(['ann', 'bob']);
    expect(subscribersOf(tree, 'a/c')).toEqual(['bob']);
    expect(subscribersOf(tree, 'a')).toEqual([]);
  });

  it('[MQTT-4.7.2-1] keeps topics that begin with $ from filters that begin with a wildcard', () => {
    const tree = treeWith([ann, to('#')], [ann, to('+/up')], [bob, to('$SYS/#')]);

    expect(subscribersOf(tree, '$SYS/up')).toEqual(['bob']);
    expect(subscribersOf(tree, 'a/$SYS/up')).toEqual(['ann']);
  });

  it('[A13] keeps levels that JavaScript treats specially apart from everything else', () => {
    const tree = treeWith([ann, to('__proto__/constructor')], [bob, to('__proto__/+')]);

    expect(subscribersOf(tree, '__proto__/constructor')).toEqual(['ann', 'bob']);
    expect(subscribersOf(tree, 'toString')).toEqual([]);
    expect(subscribersOf(tree, '__proto__')).toEqual([]);
  });

  describe('subscribe', () => {
    it.each(['a/b', 'a/+', 'a/#'])(
      '[MQTT-3.8.4-3] replaces the subscription when the filter is the same: %s',
      (filter) => {
        const tree = treeWith([ann, to(filter, { qos: 1 })]);

        const replaced = tree.subscribe(ann, to(filter, { qos: 2 }));

        expect(replaced).toEqual(to(filter, { qos: 1 }));
        expect(tree.size).toBe(1);
        expect(tree.match('a/b').targets).toMatchObject([{ qos: 2 }]);
      },
    );

    it.each(['a/b', 'a/+', 'a/#', '#', '+/b'])('is seen by the next match of a topic that is cached: %s', (filter) => {
      const tree = treeWith([ann, to('a/b')]);
      tree.match('a/b');

      tree.subscribe(bob, to(filter));

      expect(subscribersOf(tree, 'a/b')).toEqual(['ann', 'bob']);
    });
  });

  describe('unsubscribe', () => {
    it.each(['a/b', 'a/+', 'a/#', '#', '+/b'])('gives the subscription back and leaves nothing: %s', (filter) => {
      const tree = treeWith([ann, to(filter, { qos: 1 })]);
      tree.match('a/b');

      const removed = tree.unsubscribe(ann, filter);

      expect(removed).toEqual(to(filter, { qos: 1 }));
      expect(subscribersOf(tree, 'a/b')).toEqual([]);
      expect([tree.size, literalsOf(tree), nodesOf(tree)]).toEqual([0, 0, 1]);
    });

    it.each(['a/b', 'a/+', 'a/#'])('leaves the other subscribers of %s', (filter) => {
      const tree = treeWith([ann, to(filter)], [bob, to(filter)]);

      tree.unsubscribe(ann, filter);

      expect(subscribersOf(tree, 'a/b')).toEqual(['bob']);
      expect(tree.size).toBe(1);
    });

    it.each(['a', '+', '#', 'a/+/#', 'a/+/c', 'a/b/#', '#/a', 'a/#/b', '+/#/b'])(
      '[MQTT-3.10.4-1] removes nothing for %s, which is not subscribed character by character',
      (filter) => {
        const tree = treeWith([ann, to('a/#')], [ann, to('a/+')], [ann, to('a/b')], [ann, to('+/#')], [bob, to('#')]);

        expect(tree.unsubscribe(ann, filter)).toBeUndefined();
        expect(tree.size).toBe(5);
      },
    );

    it('keeps the levels that another filter needs', () => {
      const tree = treeWith([ann, to('a/+/c')], [ann, to('a/+')]);

      tree.unsubscribe(ann, 'a/+/c');

      expect(nodesOf(tree)).toBe(3);
      expect(subscribersOf(tree, 'a/b')).toEqual(['ann']);
    });
  });

  describe('overlapping filters of one subscriber', () => {
    it('[MQTT-3.3.4-2] become one target at the highest QoS', () => {
      const tree = treeWith([ann, to('a/b', { qos: 1 })], [ann, to('a/+', { qos: 2 })], [ann, to('#', { qos: 0 })]);

      expect(tree.match('a/b').targets).toMatchObject([{ subscriber: ann, qos: 2 }]);
    });

    it('[MQTT-3.3.4-3] carry the identifiers of all that have one', () => {
      const tree = treeWith([ann, to('a/b', { identifier: 7 })], [ann, to('a/+')], [ann, to('#', { identifier: 9 })]);

      expect(tree.match('a/b').targets[0].identifiers).toEqual(expect.arrayContaining([7, 9]));
      expect(tree.match('a/b').targets[0].identifiers).toHaveLength(2);
      expect(tree.match('x').targets[0].identifiers).toEqual([9]);
    });

    it('carry no identifiers when none has one', () => {
      expect(treeWith([ann, to('a')], [ann, to('#')]).match('a').targets[0].identifiers).toBeUndefined();
    });

    it('[MQTT-3.3.1-13] keep RETAIN as published when one of them asks for it', () => {
      const tree = treeWith([ann, to('a', { retainAsPublished: true })], [ann, to('#')]);

      expect(tree.match('a').targets).toMatchObject([{ retainAsPublished: true }]);
      expect(tree.match('b').targets).toMatchObject([{ retainAsPublished: false }]);
    });
  });

  describe('No Local', () => {
    it('is not involved: the own messages go to the same target', () => {
      const [target] = treeWith([ann, to('a')], [ann, to('#')]).match('a').targets;

      expect(target.own).toBe(target);
    });

    it('[MQTT-3.8.3-3] on all: nothing is left for own messages', () => {
      const noLocal = { noLocal: true };
      const [target] = treeWith([ann, to('a', noLocal)], [ann, to('#', noLocal)]).match('a').targets;

      expect(target.own).toBeUndefined();
    });

    it('[MQTT-3.8.3-3] on some: own messages go to the others alone', () => {
      const tree = treeWith(
        [ann, to('a', { qos: 2, noLocal: true, retainAsPublished: true, identifier: 1 })],
        [ann, to('#', { qos: 1, identifier: 2 })],
      );
      const [target] = tree.match('a').targets;

      expect(target).toMatchObject({ qos: 2, retainAsPublished: true });
      expect(target.own).toMatchObject({ subscriber: ann, qos: 1, retainAsPublished: false, identifiers: [2] });
    });
  });
});
