import { add, collect, find, remove, type Entries, type Entry } from './match.js';
import { hashOf, TextTable } from './text-table.js';

/**
 * The filters with `+` or `#`: a tree with a node for each level, in which one table leads from every node to its children.
 *
 * Rejected: a Map in each node. Of a million filters most nodes have one child.
 */
export class WildcardTree<S> {
  private readonly root = new Level<S>(undefined, '', hashOf(''));
  private readonly children = new TextTable<Level<S>, Level<S>>();
  /** Of the topic that is looked for: where each level ends. */
  private readonly ends: number[] = [];

  get isEmpty(): boolean {
    return this.root.isEmpty;
  }

  /** @returns the entry that was replaced */
  add(filter: string, entry: Entry<S>): Entry<S> | undefined {
    const levels = filter.split('/');
    const node = this.descend(levels);
    const place = placeOf(levels);
    const replaced = find(node[place], entry.subscriber);
    node[place] = add(node[place], entry);
    return replaced;
  }

  /** Removes an entry, and every level that it alone kept alive. */
  remove(filter: string, subscriber: S): Entry<S> | undefined {
    const levels = filter.split('/');
    const node = this.find(levels);
    if (!node) return undefined;
    const place = placeOf(levels);
    const removed = find(node[place], subscriber);
    if (removed) node[place] = remove(node[place], subscriber);
    this.prune(node);
    return removed;
  }

  /** All entries whose filters match `topic`. */
  collect(topic: string, found: Entry<S>[]): void {
    const { ends } = this;
    ends.length = 0;
    for (let end = topic.indexOf('/'); end !== -1; end = topic.indexOf('/', end + 1)) ends.push(end);
    ends.push(topic.length);
    this.visit(this.root, topic, 0, found);
  }

  private visit(node: Level<S>, topic: string, depth: number, found: Entry<S>[]): void {
    // [MQTT-4.7.2-1] a wildcard in the first level does not match topics that begin with $
    const wildcardsMatch = depth > 0 || topic.charCodeAt(0) !== dollar;
    if (wildcardsMatch) collect(node.below, found);
    if (depth === this.ends.length) {
      collect(node.here, found);
      return;
    }
    if (wildcardsMatch && node.plus) this.visit(node.plus, topic, depth + 1, found);
    if (node.childCount === 0) return;
    const slash = depth === 0 ? -1 : this.ends[depth - 1];
    const end = this.ends[depth];
    const hash = hashOf(topic, Math.max(0, slash), end, node.hash);
    const child = this.children.get(node, hash, topic, slash + 1, end);
    if (child) this.visit(child, topic, depth + 1, found);
  }

  /** The node of a filter, made where it is missing; for `#` the node of the level before. */
  private descend(levels: readonly string[]): Level<S> {
    let node = this.root;
    for (const level of levels) if (level !== '#') node = this.child(node, level) ?? this.grow(node, level);
    return node;
  }

  private find(levels: readonly string[]): Level<S> | undefined {
    let node: Level<S> | undefined = this.root;
    for (const level of levels) if (node && level !== '#') node = this.child(node, level);
    return node;
  }

  private child(node: Level<S>, level: string): Level<S> | undefined {
    return level === '+' ? node.plus : this.children.get(node, hashBelow(node, level), level);
  }

  private grow(parent: Level<S>, level: string): Level<S> {
    const node = new Level(parent, level, hashBelow(parent, level));
    if (level === '+') parent.plus = node;
    else {
      this.children.set(parent, node.hash, level, node);
      parent.childCount++;
    }
    return node;
  }

  private prune(from: Level<S>): void {
    let node = from;
    while (node.parent && node.isEmpty) {
      const { parent, name, hash } = node;
      if (name === '+') parent.plus = undefined;
      else {
        this.children.delete(parent, hash, name);
        parent.childCount--;
      }
      node = parent;
    }
  }
}

class Level<S> {
  plus: Level<S> | undefined = undefined;
  childCount = 0;
  /** Filters that end at this level. */
  here: Entries<S> | undefined = undefined;
  /** Filters that go on with `#`. */
  below: Entries<S> | undefined = undefined;

  /** @param hash of all levels down to this one, with what stands between them: else `a/bc` and `ab/c` were one text */
  constructor(
    readonly parent: Level<S> | undefined,
    readonly name: string,
    readonly hash: number,
  ) {}

  get isEmpty(): boolean {
    return !this.here && !this.below && !this.plus && this.childCount === 0;
  }
}

function hashBelow({ parent, hash }: Level<unknown>, level: string): number {
  return hashOf(level, 0, level.length, parent ? hashOf('/', 0, 1, hash) : hash);
}

/** Where the entries of a filter stand in its node. */
const placeOf = (levels: readonly string[]): 'below' | 'here' => (levels.at(-1) === '#' ? 'below' : 'here');

const dollar = 0x24;
