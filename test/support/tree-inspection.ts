import { jest } from '@jest/globals';
import type { TextTable } from '../../lib/topics/text-table.js';
import type { TopicTree } from '../../lib/topics/topic-tree.js';

type Wildcards<S extends object> = TopicTree<S>['wildcards'];
type Node<S extends object> = Wildcards<S>['root'];

/** What a table holds, in no order. */
export function valuesOf<V>(table: TextTable<never, V>): V[] {
  const cells = table['cells'];
  return Array.from({ length: cells.length / 4 }, (_, slot) => slot * 4)
    .filter((at) => cells[at] !== 0)
    .map((at) => cells[at + 3] as V);
}

/** Hashes of the levels that are written out in the tree's wildcard filters. */
export const levelHashesOf = <S extends object>(tree: TopicTree<S>): number[] =>
  valuesOf(tree['wildcards']['children']).map(({ hash }) => hash);

/** Nodes of the wildcard tree, the root included. */
export function nodesOf<S extends object>(tree: TopicTree<S>): number {
  const withPlus = (node: Node<S>): number => 1 + (node.plus ? withPlus(node.plus) : 0);
  return [tree['wildcards']['root'], ...valuesOf(tree['wildcards']['children'])].reduce(
    (sum, node) => sum + withPlus(node),
    0,
  );
}

/** Filters without a wildcard that the tree holds. */
export const literalsOf = <S extends object>(tree: TopicTree<S>): number => tree['literals']['count'];

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
