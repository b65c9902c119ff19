import type { Subscription } from '../topics/subscription.js';
import type { Client } from './client.js';
import type { Log } from './log.js';

/** How a connection ended. */
export interface Departure {
  /** Who ended it; `network` when its stream just ended. */
  readonly by: 'client' | 'broker' | 'network';
  /** Of the DISCONNECT: the client's, or the one that we have for it, whether its version can be told or not. */
  readonly reasonCode?: number | undefined;
}

/** What can be heard of the broker with `broker.on`, and what each listener is told. */
export interface BrokerEvents {
  /** A CONNECT was accepted. */
  connected: [client: Client];
  disconnected: [client: Client, departure: Departure];
  /** A subscription was added or replaced; its QoS is the granted one. */
  subscribed: [client: Client, subscription: Subscription];
  /** One ended while its client was connected: filter as the client wrote it. Those of a session that ends are not told. */
  unsubscribed: [client: Client, filter: string];
}

/**
 * Says what has happened to clients. Nothing is said of single messages: that would cost each of them; `publisher.observe`
 * and handlers hear those.
 */
export class Announcements {
  private readonly listeners: { readonly [E in keyof BrokerEvents]: Set<BrokerListener<E>> } = {
    connected: new Set(),
    disconnected: new Set(),
    subscribed: new Set(),
    unsubscribed: new Set(),
  };

  constructor(private readonly log: Log) {}

  /**
   * From now on.
   * @returns ends it
   */
  on<E extends keyof BrokerEvents>(event: E, listener: BrokerListener<E>): () => void {
    // Twice the same function is twice.
    const one: BrokerListener<E> = (...told) => listener(...told);
    this.listeners[event].add(one);
    return () => void this.listeners[event].delete(one);
  }

  say<E extends keyof BrokerEvents>(event: E, ...told: BrokerEvents[E]): void {
    for (const listener of this.listeners[event]) {
      try {
        const heard: unknown = listener(...told);
        if (heard instanceof Promise) heard.catch((error: unknown) => this.failed(event, error));
      } catch (error) {
        this.failed(event, error);
      }
    }
  }

  private failed(event: string, error: unknown): void {
    this.log.error(`a listener of '${event}' failed`, error);
  }
}

/** What it throws is logged, a rejected promise too. */
export type BrokerListener<E extends keyof BrokerEvents> = (...told: BrokerEvents[E]) => void | Promise<void>;
