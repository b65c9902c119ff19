import type { Subscription } from '../topics/topic-tree.js';
import type { Clock } from './clock.js';
import type { Limits } from './limits.js';
import type { Message } from './message.js';
import type { Session } from './session.js';
import type { Store } from './store.js';

/**
 * The last retained message of each topic, in a tree of levels, so that a wildcard subscription walks only the
 * branches that it matches.
 */
export class RetainedMessages {
  private readonly root = new RetainedLevel();
  private count = 0;
  private bytes = 0;
  /** Counts the changes: a subscription gets what was retained before it, later messages reach it live. */
  private version = 0;

  constructor(
    private readonly store: Store,
    private readonly limits: Limits,
    private readonly clock: Clock,
  ) {}

  get size(): number {
    return this.count;
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
    if (node.message) this.bytes -= node.message.size;
    else this.count++;
    node.message = message.keep();
    node.version = ++this.version;
    this.bytes += message.size;
    this.store.retain(topic, message);
  }

  get(topic: string): Message | undefined {
    return this.root.find(topic.split('/'))?.message;
  }

  delete(topic: string): void {
    const removed = this.root.remove(topic.split('/'), 0);
    if (!removed) return;
    this.count--;
    this.bytes -= removed.size;
    this.store.retain(topic, undefined);
  }

  /** The messages retained until now that `filter` matches, found as they are asked for. */
  matching(filter: string): Generator<Message, void> {
    return this.walk(filter, this.version);
  }

  /** Sends a session the retained messages of a subscription, in slices so that others get their turn. */
  deliver(session: Session, subscription: Subscription): void {
    const { connection } = session;
    const messages = this.matching(subscription.filter);
    const sendSlice = (): void => {
      for (let sent = 0; sent < sliceSize; sent++) {
        if (session.connection !== connection) return;
        if (!session.keepsUp()) {
          session.whenItKeepsUp(sendSlice);
          return;
        }
        const { done, value } = messages.next();
        if (done) return;
        session.deliverFor(subscription, value);
      }
      setImmediate(sendSlice);
    };
    sendSlice();
  }

  private *walk(filter: string, version: number): Generator<Message, void> {
    const now = this.clock.now();
    for (const node of this.root.matching(filter.split('/'), 0)) {
      const message = node.message!;
      // [MQTT-3.3.2-5]
      if (message.isExpired(now)) this.delete(message.topic);
      else if (node.version <= version) yield message;
    }
  }

  private fits(bytes: number): boolean {
    return this.bytes + bytes <= this.limits.maximumRetainedBytes;
  }
}

/** Retained messages that one subscription gets before the event loop goes round. */
const sliceSize = 500;

class RetainedLevel {
  message: Message | undefined;
  /** Of the change that brought the message. */
  version = 0;
  private children: Map<string, RetainedLevel> | undefined;

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

  *matching(levels: readonly string[], depth: number): Generator<RetainedLevel, void> {
    const level = levels[depth];
    if (level === undefined) {
      if (this.message) yield this;
    } else if (level === '#') {
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
  private *all(isFirstLevel: boolean): Generator<RetainedLevel, void> {
    if (this.message) yield this;
    for (const [name, child] of this.children ?? []) {
      if (!(isFirstLevel && name.startsWith('$'))) yield* child.all(false);
    }
  }
}
