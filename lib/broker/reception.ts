import type { QoS } from '../protocol/packets.js';
import type { Subscription } from '../topics/subscription.js';
import type { Client } from './client.js';
import type { Message } from './message.js';

/** Why a client does not get what it asks for. */
export interface Refusal {
  readonly reasonCode: number;
  readonly reasonString?: string | undefined;
}

/** What the application says to a subscription that it does not refuse. */
export interface Welcome {
  /** The highest QoS that is granted. */
  readonly qos?: QoS | undefined;
  /** Sent for this subscription, behind the SUBACK and before retained messages. */
  readonly greetings: readonly Message[];
}

/**
 * What the application says to clients that connect, subscribe, unsubscribe and leave.
 *
 * Asked after the Auth has agreed; undefined where it has nothing to say. The packets of that one client wait for the
 * promise, which must settle some day and must not be rejected.
 */
export interface Reception {
  /** A client wants in; resolves with undefined to let it. */
  connect(client: Client): Promise<Refusal | undefined> | undefined;
  /** The connection of a client that was let in has ended. */
  disconnected(client: Client): void;
  subscribe(client: Client, subscription: Subscription): Promise<Refusal | Welcome> | undefined;
  /** @param filter as the client wrote it, without `$share/group/` */
  unsubscribe(client: Client, filter: string): Promise<Refusal | undefined> | undefined;
}

export const isRefusal = (answer: Refusal | Welcome | undefined): answer is Refusal =>
  answer !== undefined && 'reasonCode' in answer;
