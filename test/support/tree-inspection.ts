import { jest } from '@jest/globals';
import type { TopicTree } from '../../lib/topics/topic-tree.js';

type Node<S extends object> = TopicTree<S>['root'];

/** Nodes of the wildcard tree, the root included. */
export function nodesOf<S extends object>(tree: TopicTree<S>): number {
  const count = (node: Node<S>): number =>
    [node['plus'], ...(node['children']?.values() ?? [])].reduce((sum, child) => sum + (child ? count(child) : 0), 1);
  return count(tree['root']);
}

/** Filters without a wildcard that the tree holds. */
export const literalsOf = <S extends object>(tree: TopicTree<S>): number => tree['literals'].size;

/** Topics whose match is remembered. */
export const cachedIn = <S extends object>(tree: TopicTree<S>): number => tree['young'].size + tree['old'].size;

/** Nodes that `action` visits, counted by a spy that calls through. */
export function nodesVisited<S extends object>(tree: TopicTree<S>, action: () => unknown): number {
  const spy = jest.spyOn(Object.getPrototypeOf(tree['root']) as Node<S>, 'collect');
  action();
  const visited = spy.mock.calls.length;
  spy.mockRestore();
  return visited;
}
