import type { Duplex } from 'node:stream';
import { ReasonCode } from '../protocol/reason-codes.js';
import { SeenTopics } from '../protocol/seen-topics.js';
import { maximumLevels } from '../topics/topic-names.js';
import type { Match } from '../topics/match.js';
import { TopicTree } from '../topics/topic-tree.js';
import { Admissions } from './admissions.js';
import { Announcements, type BrokerEvents, type BrokerListener, type Departure } from './announcements.js';
import type { Auth } from './auth.js';
import { Arena } from './arena.js';
import { Barrier } from './barrier.js';
import { defaultCapabilities, type Capabilities } from './capabilities.js';
import type { Client, Peer } from './client.js';
import { systemClock, type Clock } from './clock.js';
import { Connection } from './connection.js';
import { Counters } from './counters.js';
import { accepted, passGates, publishDecided, type Decision } from './decider.js';
import type { QueueTotal } from './deliveries.js';
import type { Entrance } from './entrance.js';
import { Entrances } from './entrances.js';
import { defaultLimits, type Limits } from './limits.js';
import type { Listener } from './listener.js';
import { Loans } from './loans.js';
import type { Log } from './log.js';
import type { Message } from './message.js';
import { Overload } from './overload.js';
import type { Reception } from './reception.js';
import { RetainedMessages } from './retained-messages.js';
import type { Router, Subscriber } from './router.js';
import { Sessions } from './sessions.js';
import type { ShareStrategy, ShareStrategyName } from './share-strategy.js';
import { beatMs, checkSilence } from './silence.js';
import type { Store } from './store.js';
import { Subscriptions } from './subscriptions.js';
import { SysTopics } from './sys-topics.js';
import { Wills } from './wills.js';

export interface BrokerOptions {
  readonly listeners: readonly Listener[];
  readonly auth: Auth;
  readonly router: Router;
  readonly store: Store;
  readonly log: Log;
  readonly limits?: Partial<Limits> | undefined;
  readonly capabilities?: Partial<Capabilities> | undefined;
  /** Who of a Shared Subscription gets a message. Default `roundRobin`. */
  readonly shareStrategy?: ShareStrategyName | ShareStrategy | undefined;
  readonly clock?: Clock | undefined;
  /** Publishes the counters below `$SYS/`. */
  readonly sysTopics?: { readonly intervalMs: number; readonly version: string } | undefined;
}

/** Wires the nouns together and holds what belongs to no single connection. */
export class Broker {
  readonly auth: Auth;
  readonly router: Router;
  readonly store: Store;
  readonly log: Log;
  readonly limits: Limits;
  readonly capabilities: Capabilities;
  readonly clock: Clock;
  readonly counters = new Counters();
  readonly seenTopics = new SeenTopics(maximumLevels);
  readonly topics = new TopicTree<Subscriber>();
  readonly subscriptions: Subscriptions;
  readonly retained: RetainedMessages;
  readonly wills: Wills;
  readonly barrier: Barrier;
  readonly arena = new Arena();
  readonly loans = new Loans();
  readonly queueTotal: QueueTotal = { bytes: 0 };
  readonly sessions: Sessions;
  readonly connections = new Set<Connection>();
  /** Counts `beatMs` of a running event loop: while it is blocked no time passes for keep-alive. */
  beat = 0;
  readonly listeners: readonly Listener[];
  readonly entrances: Entrances;
  readonly admissions: Admissions;
  readonly overload: Overload;
  /** What the application says to clients, if it does. */
  reception: Reception | undefined;
  private readonly announcements: Announcements;
  private stopBeat: (() => void) | undefined;
  private readonly sysTopics: BrokerOptions['sysTopics'];
  private stopSysTopics: (() => void) | undefined;
  /** It was told to stop: clients are sent away, which is not the end of their sessions. */
  isStopping = false;

  constructor({ listeners, auth, router, store, log, clock = systemClock, ...options }: BrokerOptions) {
    this.listeners = listeners;
    this.auth = auth;
    this.router = router;
    this.store = store;
    this.log = log;
    this.limits = { ...defaultLimits, ...options.limits };
    this.capabilities = { ...defaultCapabilities, ...options.capabilities };
    this.clock = clock;
    this.admissions = new Admissions(this.limits, clock);
    this.overload = new Overload(this.limits);
    this.entrances = new Entrances(this, listeners);
    this.sysTopics = options.sysTopics;
    this.announcements = new Announcements(log);
    this.sessions = new Sessions(this);
    this.subscriptions = new Subscriptions(this.topics, store, router, options.shareStrategy ?? 'roundRobin');
    this.retained = new RetainedMessages(store, this.limits, clock);
    this.wills = new Wills(clock, store, (will) => void this.publishWill(will));
    this.barrier = new Barrier([store, router], (error) => log.error('acknowledgements withheld', error));
  }

  /**
   * Opens the Auth, the store, the router and all listeners.
   * @throws what they throw; whatever was opened is closed again
   */
  async start(): Promise<void> {
    try {
      await this.entrances.openAuths();
      await this.store.open(this);
      await this.router.open(this);
      this.overload.begin();
      this.stopBeat = this.clock.every(beatMs, () => this.onBeat());
      for (const listener of this.listeners) {
        if (this.isStopping) throw new Error('the broker was stopped before it had started');
        const entrance = this.entrances.of(listener);
        await listener.open((stream, peer) => this.accept(stream, peer, entrance), this.log);
        const { name } = entrance;
        this.log.log(`listening on ${listener.name}${name === undefined ? '' : ` as ${JSON.stringify(name)}`}`);
      }
      if (this.isStopping) throw new Error('the broker was stopped before it had started');
      if (this.sysTopics) this.stopSysTopics = SysTopics.begin(this, this.sysTopics);
    } catch (error) {
      await this.drain();
      await this.close();
      throw error;
    }
  }

  /** Takes no more connections and sends the clients away (0x8B); resolves when they are gone. */
  async drain(): Promise<void> {
    this.isStopping = true;
    this.stopSysTopics?.();
    await Promise.all(this.listeners.map((listener) => listener.close()));
    for (const connection of this.connections) connection.disconnect(ReasonCode.ServerShuttingDown);
    try {
      await this.barrier.kept();
    } catch (error) {
      this.log.error('the last changes could not be kept', error);
    }
    await this.drained();
    this.stopBeat?.();
  }

  /** Closes router and store; nothing is published any more. */
  async close(): Promise<void> {
    this.entrances.closeAuths();
    try {
      await this.router.close();
    } finally {
      await this.store.close();
    }
  }

  /**
   * Reads the keys and certificates of all listeners again, for new connections; open ones go on.
   * @throws Error of the first listener that cannot use what it has read: that one goes on with what it had
   */
  reloadCertificates(): void {
    let first: unknown;
    for (const listener of this.listeners) {
      try {
        listener.reload();
      } catch (error) {
        this.log.error(`certificates not reloaded listener=${listener.name}`, error);
        first ??= error;
      }
    }
    if (first !== undefined) throw first;
  }

  /** A listener has a new stream. */
  accept(stream: Duplex, peer: Peer, entrance = this.entrances.common): void {
    this.counters.connectionsOpened++;
    entrance.connectionsOpened++;
    if (this.isStopping) {
      stream.destroy();
      return;
    }
    if (!entrance.admissions.enter(peer.remoteAddress)) {
      entrance.admissions.leave(peer.remoteAddress);
      stream.on('error', () => {}).destroy();
      return;
    }
    const { name } = entrance;
    const named = name === undefined ? peer : { ...peer, listener: name };
    this.connections.add(new Connection(this, stream, named, entrance));
  }

  /**
   * Hop 4 of a message: retained if asked, then routed.
   * @returns the Reason Code for its publisher: 0x00, 0x10 without subscribers, 0x97 when there is no room for it
   */
  publish(message: Message, match = this.topics.match(message.topic)): number {
    if (this.limits.onQueueFull === 'refuse' && message.qos > 0 && isFullFor(message, match)) {
      return ReasonCode.QuotaExceeded;
    }
    if (message.qos === 2) message.tick = this.barrier.tick;
    if (message.retain) {
      if (!this.retained.hasRoomFor(message)) return ReasonCode.QuotaExceeded;
      this.retained.set(message);
    }
    const isWanted = this.router.publish(message, match) || match.acks !== undefined;
    if (message.retain) message.forgetFrames();
    return isWanted ? ReasonCode.Success : ReasonCode.NoMatchingSubscribers;
  }

  /** What is published from here, by the application or as a will: decided about as what clients publish. */
  submit(message: Message): Decision | Promise<Decision> {
    const match = this.topics.match(message.topic);
    if (!match.gates) return publishDecided(this, message, accepted);
    return passGates(match, message).then((decision) => publishDecided(this, message, decision));
  }

  /**
   * To one client alone, however many have subscribed.
   * @returns false when the client has no session here, has not subscribed to the topic, or may not receive it
   */
  deliverTo(clientId: string, message: Message): boolean {
    const session = this.sessions.get(clientId);
    if (!session?.mayReceive(message.topic)) return false;
    const target = this.topics.match(message.topic).targets.find(({ subscriber }) => subscriber === session);
    if (target) session.deliver(message, target);
    return target !== undefined;
  }

  /**
   * Sends a client away that is connected to this node.
   * @param reasonCode of the DISCONNECT that an MQTT 5 client gets; default 0x98, administrative action
   * @returns false when it is not connected here
   */
  disconnect(clientId: string, reasonCode: number = ReasonCode.AdministrativeAction, reason?: string): boolean {
    const connection = this.sessions.get(clientId)?.connection;
    connection?.disconnect(reasonCode, reason);
    return connection !== undefined;
  }

  /**
   * Sends away all clients of this node that are meant.
   * @returns how many there were
   */
  disconnectAll(
    isMeant: (client: Client, entrance: Entrance) => boolean,
    reasonCode: number = ReasonCode.AdministrativeAction,
    reason?: string,
  ): number {
    const meant = [...this.connections].filter(
      ({ client, entrance, isOpen }) => isOpen && client && isMeant(client, entrance),
    );
    for (const connection of meant) connection.disconnect(reasonCode, reason);
    return meant.length;
  }

  /**
   * Asks anew what clients may receive and have subscribed to, at once: the rights of a user have changed, or of everybody.
   * The Auth's own `reauthorize` does the same. Clients that are away are asked about when they come back.
   */
  reauthorize(username?: string): void {
    this.reauthorizeWhere((client) => username === undefined || client.username === username);
  }

  /** The same for those who are meant. */
  reauthorizeWhere(isMeant: (client: Client, entrance: Entrance) => boolean): void {
    for (const { connection, rights } of this.sessions.values()) {
      const { client, entrance } = connection ?? rights ?? {};
      if (!client || !entrance || !isMeant(client, entrance)) continue;
      rights?.forget();
      if (connection?.isOpen) connection.reauthorize();
    }
  }

  /**
   * Sends all clients of a user away (0x87) that are connected to this node.
   * @returns how many there were
   */
  revoke(username: string): number {
    return this.revokeWhere((client) => client.username === username);
  }

  /** The same for those who are meant. */
  revokeWhere(isMeant: (client: Client, entrance: Entrance) => boolean): number {
    return this.disconnectAll(isMeant, ReasonCode.NotAuthorized, 'the rights were revoked');
  }

  /**
   * Hears what happens to clients, from now on.
   * @returns ends it
   */
  on<E extends keyof BrokerEvents>(event: E, listener: BrokerListener<E>): () => void {
    return this.announcements.on(event, listener);
  }

  /** Something has happened to a client. */
  announce<E extends keyof BrokerEvents>(event: E, ...told: BrokerEvents[E]): void {
    this.announcements.say(event, ...told);
  }

  /** A CONNECT was accepted. */
  connected(connection: Connection): void {
    const { client } = connection;
    this.subscriptions.wake(connection.session!);
    this.log.debug(`client connected id=${connection.describe()} version=${client!.protocolVersion}`);
    this.announce('connected', client!);
  }

  /** A connection lets go of its session: the session waits for its client, or ends. */
  released(connection: Connection, departure: Departure): void {
    const { session } = connection;
    if (!session || session.connection !== connection) return;
    this.log.debug(`client disconnected id=${connection.describe()}`);
    this.reception?.disconnected(connection.client!);
    session.detach();
    this.sessions.leave(session);
    this.announce('disconnected', connection.client!, departure);
  }

  /** The stream of a connection is closed. */
  gone(connection: Connection): void {
    this.connections.delete(connection);
    connection.entrance.admissions.leave(connection.peer.remoteAddress);
    if (this.connections.size === 0) this.whenDrained?.();
  }

  private whenDrained: (() => void) | undefined;

  /** Resolves when all connections are gone; peers that do not close are cut off. */
  private async drained(): Promise<void> {
    if (this.connections.size === 0) return;
    const cut = setTimeout(() => {
      for (const connection of this.connections) connection.destroy();
    }, drainMs);
    await new Promise<void>((resolve) => (this.whenDrained = resolve));
    clearTimeout(cut);
  }

  private onBeat(): void {
    this.beat++;
    this.overload.onBeat();
    this.loans.callIn();
    const now = this.clock.now();
    for (const connection of this.connections) checkSilence(connection, now);
    this.wills.fireDue(now);
    this.sessions.endDue(now);
    this.retained.deleteExpired(now);
  }

  /** Publishes a will that is due, unless its client may not; resolves when that is decided, and done at once if it can be. */
  publishWill(will: Message): Promise<unknown> | undefined {
    const failed = (error: unknown): void => this.log.error('a will could not be authorized', error);
    try {
      const verdict = this.entrances.authOf(will.publisher!).mayPublish(will.publisher!, will.topic);
      if (verdict instanceof Promise) {
        return verdict.then((isAllowed) => (isAllowed ? this.submit(will) : undefined)).catch(failed);
      }
      const submitted = verdict ? this.submit(will) : undefined;
      return submitted instanceof Promise ? submitted : undefined;
    } catch (error) {
      failed(error);
    }
    return undefined;
  }
}

/** Somebody could not keep it. */
const isFullFor = (message: Message, { targets }: Match<Subscriber>): boolean =>
  targets.some(({ subscriber, qos }) => qos > 0 && subscriber.isFullFor?.(message) === true);

/** Milliseconds that peers have to take what was written and close, when the broker stops. */
const drainMs = 1000;
