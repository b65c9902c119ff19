import type { Match, Target } from '../topics/topic-tree.js';
import type { Message } from './message.js';

/** Anything that messages are delivered to: a client's session, a Nest handler, another node. */
export interface Subscriber {
  /**
   * Takes a message for which `target` (this subscriber's matching subscriptions, merged) was found.
   *
   * Synchronous, must not throw, and copies (`message.keep()`) what it holds on to after the tick.
   */
  deliver(message: Message, target: Target<Subscriber>): void;
}

/** Takes a message to every matching subscriber, here and on other nodes. The class is type and DI token at once. */
export abstract class Router {
  /** True when everything is kept as soon as it is said and `commit` has nothing to do. */
  get isImmediate(): boolean {
    return false;
  }

  /** Connects to other nodes; resolves when messages can flow. */
  async open(): Promise<void> {}

  /**
   * Delivers to all targets of `match` and queues what goes to other nodes.
   * @returns whether anybody was found
   */
  abstract publish(message: Message, match: Match<Subscriber>): boolean;

  /**
   * Called once a tick before acknowledgements are released: undefined when all that was published is where it was
   * promised to be, else a promise of it. A rejection withholds the tick's acknowledgements.
   */
  commit(): Promise<void> | undefined {
    return undefined;
  }

  async close(): Promise<void> {}
}
