import type { Subscription } from '../topics/subscription.js';
import type { Delivery } from './delivery.js';
import type { Message } from './message.js';
import type { Session } from './session.js';
import type { Broker } from './broker.js';
import type { ClaimRequest, StoredSession } from './stored-session.js';
import type { LeftWill } from './wills.js';

/**
 * What survives a restart. The class is type and DI token at once.
 *
 * The broker's memory is the truth while it runs; a store is told of every change, synchronously and in order, and
 * makes all changes of a tick durable in one `commit`, before the tick's acknowledgements are released.
 */
export abstract class Store {
  /** True when everything is kept as soon as it is said and `commit` has nothing to do. */
  get isImmediate(): boolean {
    return false;
  }

  /** Whether sessions in it are those of several nodes: a client may go on with its session on another one. */
  get isShared(): boolean {
    return false;
  }

  /** Resolves when the store can be written to. */
  async open(_broker: Broker): Promise<void> {}

  /**
   * Makes this node the one that has the session of a client, before its CONNACK.
   * @returns undefined where the memory of this process is all there is of a session
   * @throws MqttError (as a rejection) ServerUnavailable | SessionTakenOver
   */
  claim(_request: ClaimRequest): Promise<StoredSession | undefined> | undefined {
    return undefined;
  }

  /** A session exists, its expiry changed, or its client is gone: `session.connection` says whether. */
  abstract saveSession(session: Session): void;
  /** A session ended: nothing of it is kept. */
  abstract deleteSession(session: Session): void;
  /** @param filter as the client wrote it, `$share/group/` included */
  abstract saveSubscription(session: Session, filter: string, subscription: Subscription): void;
  abstract deleteSubscription(session: Session, filter: string): void;
  /**
   * A QoS 1 or 2 message waits for the session's client, or is in flight to it.
   * @param sequence its place among the session's messages
   * @returns its place in the store: what it is called in the following two; 0 where it has none
   */
  abstract enqueue(session: Session, delivery: Delivery, sequence: number): number;
  /** The client acknowledged a message, or it was dropped. */
  abstract acknowledge(session: Session, sequence: number, place: number): void;
  /** PUBREC came for a QoS 2 message: the client has it, and from here on only PUBREL is repeated. */
  abstract handedOver(session: Session, delivery: Delivery, sequence: number, place: number): void;
  /** A QoS 2 message came in from the client. */
  abstract received(session: Session, packetId: number): void;
  /** Its PUBREL came: the packet identifier is free again. */
  abstract released(session: Session, packetId: number): void;
  /** Its PUBREC could not be sent, as what was published is not kept: the client will send it again. */
  withheld(session: Session, packetId: number): void {
    this.released(session, packetId);
  }
  /** The client of a session has left a will; undefined: it was published, or will not be. */
  saveWill(_session: Session, _will: LeftWill | undefined): void {}
  /** The retained message of a topic; undefined removes it. */
  abstract retain(topic: string, message: Message | undefined): void;

  /**
   * Makes what was said since the last commit durable: undefined when it is already, else a promise.
   * A rejection withholds the tick's acknowledgements.
   */
  commit(): Promise<void> | undefined {
    return undefined;
  }

  async close(): Promise<void> {}
}
