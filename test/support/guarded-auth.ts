import { Auth } from '../../lib/broker/auth.js';
import type { Client } from '../../lib/broker/client.js';

/** Lets everybody in, and nobody publish or subscribe to what begins with `secret`; `barred` may not log in. */
export class GuardedAuth extends Auth {
  override authenticate({ username }: { readonly username: string | undefined }): boolean {
    return username !== 'barred';
  }

  override mayPublish(_client: Client, topic: string): boolean {
    return !topic.startsWith('secret');
  }

  override maySubscribe(_client: Client, filter: string): boolean {
    return !filter.startsWith('secret');
  }
}

/**
 * Rights that a test changes: clients may not subscribe to filters, or receive topics, that begin with one of these words.
 *
 * @param isAsync answers about subscriptions through promises
 */
export class ChangingAuth extends Auth {
  readonly refused = new Set<string>();
  readonly barred = new Set<string>();
  /** Clients that are barred; nobody else is. */
  readonly concerned = new Set(['device']);
  /** What `mayReceive` was asked, in order. */
  readonly asked: string[] = [];

  constructor(private readonly isAsync = false) {
    super();
  }

  override authenticate(): true {
    return true;
  }

  override maySubscribe({ clientId }: Client, filter: string): boolean | Promise<boolean> {
    const isAllowed = !this.concerned.has(clientId) || !startsWithOneOf(filter, this.refused);
    return this.isAsync ? Promise.resolve(isAllowed) : isAllowed;
  }

  override mayReceive({ clientId }: Client, topic: string): boolean {
    this.asked.push(`${clientId} ${topic}`);
    return !this.concerned.has(clientId) || !startsWithOneOf(topic, this.barred);
  }
}

const startsWithOneOf = (text: string, words: ReadonlySet<string>) => [...words].some((word) => text.startsWith(word));
