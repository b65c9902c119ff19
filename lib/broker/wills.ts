import type { WillFields } from '../protocol/packets.js';
import { ownProperties } from '../protocol/properties.js';
import type { Client } from './client.js';
import type { Clock } from './clock.js';
import { Deadlines } from './deadlines.js';
import { keptBytes } from '../protocol/kept-bytes.js';
import { Message } from './message.js';
import type { Session } from './session.js';
import type { Store } from './store.js';

/** What the CONNECT of a client has left. */
export interface LeftWill {
  readonly fields: WillFields;
  readonly client: Client;
}

interface Will extends LeftWill {
  /** Milliseconds since the epoch; Infinity while the client is connected. */
  dueAt: number;
}

/** The Will Messages of all sessions (MQTT 5, 3.1.2.5), those of connected clients and those that wait for their delay. */
export class Wills {
  private readonly wills = new Map<Session, Will>();
  private readonly delayed: Deadlines<Session>;

  constructor(
    private readonly clock: Clock,
    private readonly store: Store,
    private readonly publish: (will: Message) => void,
  ) {
    this.delayed = new Deadlines(clock.now());
  }

  /** [MQTT-3.1.2-7] stores the will with its session; the fields are copied. */
  leave(session: Session, fields: WillFields, client: Client): void {
    const will = { fields: keepWill(fields), client, dueAt: Infinity };
    this.wills.set(session, will);
    this.store.saveWill(session, will);
  }

  /**
   * Of an earlier run of the broker.
   * @param dueAt milliseconds since the epoch; Infinity when the session ends
   */
  restore(session: Session, { fields, client }: LeftWill, dueAt: number): void {
    this.wills.set(session, { fields, client, dueAt });
    this.delayed.add(session, dueAt);
  }

  /** Whether the client of a connected session has left a will. */
  has(session: Session): boolean {
    return this.wills.has(session);
  }

  /** The client is back: in time ([MQTT-3.1.3-9]), or when the will was due and nobody had looked yet. */
  returned(session: Session): void {
    const will = this.wills.get(session);
    if (will && will.dueAt <= this.clock.now()) this.fire(session);
    else this.discard(session);
  }

  /** [MQTT-3.1.2-10] the client said goodbye. */
  discard(session: Session): void {
    const will = this.wills.get(session);
    if (!will) return;
    this.wills.delete(session);
    this.delayed.delete(session, will.dueAt);
    this.store.saveWill(session, undefined);
  }

  /** [MQTT-3.1.2-8] the connection is closed: due after its delay or when the session ends, whatever is first. */
  release(session: Session): void {
    const will = this.wills.get(session);
    if (!will) return;
    const delay = delayOf(will.fields, session);
    if (delay === 0) {
      this.fire(session);
      return;
    }
    will.dueAt = this.clock.now() + delay * 1000;
    this.delayed.add(session, will.dueAt);
  }

  /** The session ends: its will is due. */
  fire(session: Session): void {
    const will = this.wills.get(session);
    if (!will) return;
    this.discard(session);
    this.publish(willMessage(will.fields, will.client, this.clock.now()));
  }

  fireDue(now: number): void {
    for (const session of this.delayed.takeDue(now)) this.fire(session);
  }
}

/** Seconds between the end of a connection and its will: never beyond the end of the session. */
export const delayOf = ({ properties }: WillFields, { expiryInterval }: Session): number =>
  Math.min(properties?.willDelayInterval ?? 0, expiryInterval);

/** A copy of what a CONNECT brought, which lies in the received chunk. */
export function keepWill(fields: WillFields): WillFields {
  return { ...fields, payload: keptBytes(fields.payload), properties: ownProperties(fields.properties) };
}

/** The message that a will becomes when it is due. */
export function willMessage(fields: WillFields, publisher: Client, now: number): Message {
  const { topic, payload, qos, retain, properties } = fields;
  const { willDelayInterval: _, ...forwarded } = properties ?? {};
  const left = Object.keys(forwarded).length === 0 ? undefined : forwarded;
  return Message.of({ topic, payload, qos, retain, properties: left, publisher }, now);
}
