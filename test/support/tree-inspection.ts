import { jest } from '@jest/globals';
import type { TopicTree } from '../../lib/topics/topic-tree.js';

type Wildcards<S extends object> = TopicTree<S>['wildcards'];
type Node<S extends object> = Wildcards<S>['root'];

/** Nodes of the wildcard tree, the root included. */
export function nodesOf<S extends object>(tree: TopicTree<S>): number {
  const withPlus = (node: Node<S>): number => 1 + (node.plus ? withPlus(node.plus) : 0);
  return [tree['wildcards']['root'], ...tree['wildcards']['children'].values()].reduce(
    (sum, node) => sum + withPlus(node),
    0,
  );
}

/** Filters without a wildcard that the tree holds. */
export const literalsOf = <S extends object>(tree: TopicTree<S>): number => tree['literals'].size;

/** Topics whose match is remembered. */
export const cachedIn = <S extends object>(tree: TopicTree<S>): number => tree['cache'].size;

/** Nodes that `action` visits, counted by a spy that calls through. */
export function nodesVisited<S extends object>(tree: TopicTree<S>, action: () => unknown): number {
  const spy = jest.spyOn(Object.getPrototypeOf(tree['wildcards']) as { visit: () => void }, 'visit');
  action();
  const visited = spy.mock.calls.length;
  spy.mockRestore();
  return visited;
}
