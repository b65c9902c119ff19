import { ReasonCode } from '../protocol/reason-codes.js';
import type { Broker } from './broker.js';
import { Deadlines } from './deadlines.js';
import { Session } from './session.js';
import type { StoredSession } from './stored-session.js';

/** The sessions of this node, each from the CONNECT that begins it to its end: with its connection, or some time after. */
export class Sessions {
  private readonly byClient = new Map<string, Session>();
  /** Those without a connection that end some day. */
  private readonly expiring: Deadlines<Session>;

  constructor(private readonly broker: Broker) {
    this.expiring = new Deadlines(broker.clock.now());
  }

  get size(): number {
    return this.byClient.size;
  }

  get(clientId: string): Session | undefined {
    return this.byClient.get(clientId);
  }

  has(clientId: string): boolean {
    return this.byClient.has(clientId);
  }

  /** Client ids. */
  keys(): IterableIterator<string> {
    return this.byClient.keys();
  }

  values(): IterableIterator<Session> {
    return this.byClient.values();
  }

  /** The session for a CONNECT: a connection that uses it is closed, a clean start discards it. */
  claim(clientId: string, cleanStart: boolean, stored?: StoredSession): { session: Session; isPresent: boolean } {
    const found = this.get(clientId);
    // [MQTT-3.1.4-3]
    found?.connection?.disconnect(ReasonCode.SessionTakenOver, 'the client connected again');
    // [MQTT-3.1.2-4], or its time has come while nobody looked
    if (found && (cleanStart || found.expiresAt <= this.broker.clock.now())) this.end(found);
    // [MQTT-3.1.2-5] taken over or waiting; a session that ended with its connection is gone by now
    const present = this.get(clientId);
    if (present) {
      this.expiring.delete(present, present.expiresAt);
      // It was read from a file, its queue not yet.
      present.stored?.restore(present);
      return { session: present, isPresent: true };
    }
    // [MQTT-3.1.2-6]
    const session = new Session(this.broker, clientId);
    this.byClient.set(clientId, session);
    if (!stored) return { session, isPresent: false };
    session.stored = stored;
    stored.restore(session);
    return { session, isPresent: stored.isPresent };
  }

  /** The client has connected to another node: what is here of it is over. */
  letGo(clientId: string): void {
    // [MQTT-3.1.4-3]
    this.get(clientId)?.connection?.disconnect(ReasonCode.SessionTakenOver, 'the client connected again');
    const left = this.get(clientId);
    if (left) this.end(left);
  }

  /** The client of a session is gone: it waits for its client, or ends. */
  leave(session: Session): void {
    const { wills, subscriptions, store, clock, isStopping } = this.broker;
    if (session.stored) {
      this.release(session, session.stored);
      return;
    }
    // A shutdown is not the end of the session: wills wait for that, as 3.1.2.5 permits.
    if (isStopping) return;
    if (session.expiryInterval === 0) {
      // [MQTT-4.1.0-2]
      this.end(session);
      return;
    }
    wills.release(session);
    subscriptions.suspend(session);
    this.await(session, clock.now());
    store.saveSession(session);
  }

  /** A session of an earlier run of the broker: it waits for its client. */
  restore(clientId: string, expiryInterval: number, disconnectedAt: number): Session {
    const session = new Session(this.broker, clientId);
    session.expiryInterval = expiryInterval;
    this.byClient.set(clientId, session);
    this.await(session, disconnectedAt);
    return session;
  }

  private await(session: Session, disconnectedAt: number): void {
    if (session.expiryInterval === 0xffff_ffff) return;
    session.expiresAt = disconnectedAt + session.expiryInterval * 1000;
    this.expiring.add(session, session.expiresAt);
  }

  /** Ends those whose time has come. */
  endDue(now: number): void {
    for (const session of this.expiring.takeDue(now)) this.end(session);
  }

  /** The session waits in the store for its client, who may come to another node, or ends there. */
  private release(session: Session, stored: StoredSession): void {
    const { wills, subscriptions, isStopping } = this.broker;
    const hasWill = wills.has(session);
    wills.discard(session);
    this.byClient.delete(session.clientId);
    if (session.expiryInterval === 0) {
      session.end();
      subscriptions.removeAll(session);
    } else {
      subscriptions.leaveAll(session);
    }
    stored.release(!hasWill ? 'discarded' : isStopping ? 'atSessionEnd' : 'due');
    session.letGo();
  }

  private end(session: Session): void {
    const { subscriptions, store, wills } = this.broker;
    this.byClient.delete(session.clientId);
    this.expiring.delete(session, session.expiresAt);
    session.end();
    // What waits for its groups goes to others, so it has to be there.
    if (session.stored && session.isMemberOfGroups) session.stored.restore(session);
    subscriptions.removeAll(session);
    store.deleteSession(session);
    session.letGo();
    wills.fire(session);
  }
}
