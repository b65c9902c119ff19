import type { Clock } from './clock.js';
import { Deadlines } from './deadlines.js';
import type { Limits } from './limits.js';
import type { Message } from './message.js';
import type { Store } from './store.js';

/**
 * The last retained message of each topic, in a tree of levels, so that a wildcard subscription walks only the
 * branches that it matches.
 */
export class RetainedMessages {
  private readonly root = new RetainedLevel();
  private count = 0;
  private bytes = 0;
  private changes = 0;
  private readonly expiring: Deadlines<string>;

  constructor(
    private readonly store: Store,
    private readonly limits: Limits,
    private readonly clock: Clock,
  ) {
    this.expiring = new Deadlines(clock.now());
  }

  get size(): number {
    return this.count;
  }

  /** Counts the changes: a subscription gets what was retained before it, later messages reach it live. */
  get version(): number {
    return this.changes;
  }

  /** Whether `message` can be kept without breaking a limit. */
  hasRoomFor(message: Message): boolean {
    if (!message.hasPayload) return true;
    if (this.count < this.limits.maximumRetainedMessages && this.fits(message.size)) return true;
    const before = this.get(message.topic);
    return before !== undefined && this.fits(message.size - before.size);
  }

  /** Replaces the retained message of the topic; an empty payload removes it. */
  set(message: Message): void {
    const { topic } = message;
    // [MQTT-3.3.1-6] [MQTT-3.3.1-7]
    if (!message.hasPayload) {
      this.delete(topic);
      return;
    }
    // [MQTT-3.3.1-5]
    const node = this.root.descend(topic.split('/'));
    if (node.message) this.forget(node.message);
    node.message = message.keep();
    this.count++;
    this.expiring.add(topic, message.expiresAt);
    node.version = ++this.changes;
    this.bytes += message.size;
    this.store.retain(topic, message);
  }

  /** A message of an earlier run of the broker, which the store has. */
  restore(message: Message): void {
    const node = this.root.descend(message.topic.split('/'));
    node.message = message;
    node.version = ++this.changes;
    this.count++;
    this.bytes += message.size;
    this.expiring.add(message.topic, message.expiresAt);
  }

  get(topic: string): Message | undefined {
    return this.find(topic)?.message;
  }

  delete(topic: string): void {
    const removed = this.root.remove(topic.split('/'), 0);
    if (!removed) return;
    this.forget(removed);
    this.store.retain(topic, undefined);
  }

  /** Gives back the room of messages that have expired. */
  deleteExpired(now: number): void {
    for (const topic of this.expiring.takeDue(now)) this.delete(topic);
  }

  /** Where the messages are that `filter` matches, found as they are asked for; undefined is a level without one. */
  matching(filter: string): Generator<RetainedLevel | undefined, void> {
    return this.root.matching(filter.split('/'), 0);
  }

  /** Every message, in no order. */
  *all(): Generator<Message, void> {
    for (const place of this.root.all(false)) if (place?.message) yield place.message;
  }

  /** The place of a topic's message. */
  find(topic: string): RetainedLevel | undefined {
    return this.root.find(topic.split('/'));
  }

  /** The message of a place unless it came after `version`; one that has expired is removed ([MQTT-3.3.2-5]). */
  take(place: RetainedLevel, version: number): Message | undefined {
    const { message } = place;
    if (message?.isExpired(this.clock.now())) {
      this.delete(message.topic);
      return undefined;
    }
    return place.version <= version ? message : undefined;
  }

  private forget({ topic, size, expiresAt }: Message): void {
    this.count--;
    this.bytes -= size;
    this.expiring.delete(topic, expiresAt);
  }

  private fits(bytes: number): boolean {
    return this.bytes + bytes <= this.limits.maximumRetainedBytes;
  }
}

/** A topic level: the message retained for the topic that ends here, and the levels below. */
export class RetainedLevel {
  message: Message | undefined = undefined;
  /** Of the change that brought the message. */
  version = 0;
  private children: Map<string, RetainedLevel> | undefined = undefined;

  descend(levels: readonly string[]): RetainedLevel {
    let node: RetainedLevel = this;
    for (const level of levels) {
      node.children ??= new Map();
      let child = node.children.get(level);
      if (!child) node.children.set(level, (child = new RetainedLevel()));
      node = child;
    }
    return node;
  }

  find(levels: readonly string[]): RetainedLevel | undefined {
    let node: RetainedLevel | undefined = this;
    for (const level of levels) node = node?.children?.get(level);
    return node;
  }

  remove(levels: readonly string[], depth: number): Message | undefined {
    if (depth === levels.length) {
      const { message } = this;
      this.message = undefined;
      return message;
    }
    const child = this.children?.get(levels[depth]);
    const removed = child?.remove(levels, depth + 1);
    if (child && !child.message && !child.children?.size) this.children!.delete(levels[depth]);
    return removed;
  }

  *matching(levels: readonly string[], depth: number): Generator<RetainedLevel | undefined, void> {
    const level = levels[depth];
    if (level === undefined) {
      yield this.message && this;
      return;
    }
    // A level that is passed counts as well: many may lead nowhere.
    yield undefined;
    if (level === '#') {
      yield* this.all(depth === 0);
    } else if (level === '+') {
      for (const [name, child] of this.children ?? []) {
        if (depth > 0 || !name.startsWith('$')) yield* child.matching(levels, depth + 1);
      }
    } else {
      const child = this.children?.get(level);
      if (child) yield* child.matching(levels, depth + 1);
    }
  }

  /** [MQTT-4.7.2-1] `#` in the first level leaves out what begins with $. */
  *all(isFirstLevel: boolean): Generator<RetainedLevel | undefined, void> {
    yield this.message && this;
    for (const [name, child] of this.children ?? []) {
      if (!(isFirstLevel && name.startsWith('$'))) yield* child.all(false);
    }
  }
}
