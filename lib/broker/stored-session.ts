import type { WillFields } from '../protocol/packets.js';
import type { Client } from './client.js';
import type { Delivery } from './delivery.js';
import type { Session } from './session.js';
import type { Subscription } from '../topics/subscription.js';

/** What a CONNECT that was let in says to a store that several nodes share. */
export interface ClaimRequest {
  readonly client: Client;
  /** Of two connections of a client the one with the higher generation is newer; 0 where it cannot be known now. */
  readonly generation: number;
  /** Seconds that the session shall outlive its connection; 0xFFFFFFFF is for ever. */
  readonly expiryInterval: number;
  readonly will: WillFields | undefined;
  /** QoS 1 and 2 messages that may be in flight to the client at once. */
  readonly receiveMaximum: number;
}

/** What becomes of the will of a connection that is over. */
export type WillFate =
  /** The client said goodbye: it is not published. */
  | 'discarded'
  /** It is due after its delay, or when the session ends. */
  | 'due'
  /** The broker is being stopped, which is not the client's end: due when the session ends (MQTT 5, 3.1.2.5). */
  | 'atSessionEnd';

/**
 * The side of a session that is not in the memory of this process: in a store that nodes share, for as long as its client is
 * connected here, or in a file, until its client is back.
 *
 * Who adds to its queue may be another node; the messages come to the session by `session.take`, in their order.
 */
export interface StoredSession {
  /** Whether there was a session that goes on. */
  readonly isPresent: boolean;
  /** Whether its QoS 1 and 2 messages wait in the store: it outlives its connection, or has outlived an earlier one. */
  readonly isDurable: boolean;
  /** False once the session may belong to another node: nothing is read from its client or sent to it any more. */
  readonly isCurrent: boolean;
  /** Whether no message waits there or is on its way there. */
  readonly isEmpty: boolean;

  /** What it has subscribed to, by the filter as the client wrote it. */
  readonly subscriptions: ReadonlyMap<string, Subscription>;

  /** Gives a new session what the store has of it. */
  restore(session: Session): void;

  /** Whether the queue has no room for so many bytes more, as far as that is known. */
  isFullFor?(bytes: number): boolean;

  /** Puts a message at the end of the queue. */
  append(delivery: Delivery): void;

  /** Takes away what was put there at QoS 2 in a tick that is not kept, where it would be there twice when it comes again. */
  withdraw?(tick: number, isConcerned: (publisher: Client | undefined) => boolean): void;

  /** The session has room for more messages of the queue. */
  refill(): void;

  /**
   * Records that a QoS 2 message of the client is about to be routed.
   * @returns what names this message: routed again under the same name, it reaches nobody twice
   * @throws (as a rejection) when it cannot be recorded, or the session belongs to another node
   */
  admit(packetId: number): Promise<string>;

  /** Whether the packet identifier is that of a QoS 2 message that was recorded and not released. */
  isAdmitted(packetId: number): boolean;

  /** The connection is over: from here on the session waits in the store, or ends when it has no expiry interval. */
  release(will: WillFate): void;
}
