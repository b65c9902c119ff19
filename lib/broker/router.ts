import type { Match, Target } from '../topics/match.js';
import type { Subscription } from '../topics/subscription.js';
import type { Broker } from './broker.js';
import type { Client } from './client.js';
import type { Message } from './message.js';
import type { StoredSession } from './stored-session.js';
import type { SharedSubscription } from './shared-subscription.js';

/** Anything that messages are delivered to: a client's session, a Nest handler, another node. */
export interface Subscriber {
  /** Whether it may get a message that is routed again: who it stands for tells by the `publishId`. */
  readonly toleratesRepeats?: boolean;
  /** A Decider is asked, and gets nothing by `deliver`. */
  readonly decides?: 'gate' | 'ack' | undefined;
  /** Whether its queue has no room for the message; asked where such a message is to be refused. */
  isFullFor?(message: Message): boolean;
  /**
   * Takes a message for which `target` (this subscriber's matching subscriptions, merged) was found.
   *
   * Synchronous, must not throw, and copies (`message.keep()`) what it holds on to after the tick.
   * @param share the group on whose behalf it gets the message
   */
  deliver(message: Message, target: Target<Subscriber>, share?: SharedSubscription): void;
}

/** Who subscribes on this node: a session, or the application itself. */
export interface LocalSubscriber extends Subscriber {
  readonly stored?: StoredSession | undefined;
}

/** Takes a message to every matching subscriber, here and on other nodes. The class is type and DI token at once. */
export abstract class Router {
  /** True when everything is kept as soon as it is said and `commit` has nothing to do. */
  get isImmediate(): boolean {
    return false;
  }

  /** Whether messages reach everybody that they should: for health checks. */
  get isReady(): boolean {
    return true;
  }

  /** Connects to other nodes; resolves when messages can flow. */
  async open(_broker: Broker): Promise<void> {}

  /**
   * Delivers to all targets of `match` and queues what goes to other nodes.
   * @returns whether anybody was found
   */
  abstract publish(message: Message, match: Match<Subscriber>): boolean;

  /**
   * To one client that is connected to another node, if it has subscribed to the topic.
   * @returns false where it can be on no other node
   */
  deliverTo(_clientId: string, _message: Message, _match: Match<Subscriber>): boolean {
    return false;
  }

  /**
   * Called once a tick before acknowledgements are released: undefined when all that was published is where it was
   * promised to be, else a promise of it. A rejection withholds the tick's acknowledgements.
   */
  commit(): Promise<void> | undefined {
    return undefined;
  }

  /** Somebody on this node has one more subscription, which has no share. */
  subscribed(_subscriber: LocalSubscriber, _subscription: Subscription): void {}

  /** Somebody on this node has one subscription less. */
  unsubscribed(_subscriber: LocalSubscriber, _subscription: Subscription): void {}

  /** What this node has of a group has changed: `$share/group/filter`. */
  shared(_filter: string, _presence: SharePresence): void {}

  /**
   * Makes this node the one that `clientId` is connected to, before its CONNACK: undefined when there is no other node.
   * @param _enter does what is left to do before the client is let in; it is given the generation of the connection: the
   *   higher of two wins; 0 when it cannot be known now
   * @returns what `_enter` gives: the client has to be let in as soon as it is there
   * @throws MqttError SessionTakenOver (as a rejection) when the client has connected elsewhere before that
   */
  claim<T>(_clientId: string, _enter: (generation: number) => Promise<T>): Promise<T> | undefined {
    return undefined;
  }

  async close(): Promise<void> {}
}

/** Of a group with members on a node: none, only such as are away, or at least one that is connected. */
export type SharePresence = 'none' | 'asleep' | 'online';

/** The rejection of a `commit` that concerns the messages of some publishers; everything else of the tick is kept. */
export class NotKeptError extends Error {
  override readonly name = 'NotKeptError';

  /** @param publishers undefined among them stands for the application */
  constructor(
    message: string,
    readonly publishers: ReadonlySet<Client | undefined>,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
