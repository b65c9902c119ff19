import { DeliveryState, type Delivery } from '../broker/delivery.js';
import { messageOverhead } from '../broker/message.js';
import type { Session } from '../broker/session.js';
import type { StoredSession } from '../broker/stored-session.js';
import type { Subscription } from '../topics/subscription.js';
import type { DiskSessions } from './disk-sessions.js';

/**
 * A session of an earlier run whose client has not come back yet: its queue is in the file, and stays there until it does.
 *
 * In memory is where its messages stand, a number for each. What is published meanwhile goes to the file and nowhere else.
 */
export class WaitingSession implements StoredSession {
  readonly isPresent = true;
  readonly isDurable = true;
  readonly isCurrent = true;
  readonly places: number[] = [];
  bytes = 0;
  nextSequence = 0;
  private isAwake = false;
  private isMixed = false;

  /** @param sentTo sequence number behind the last message that was sent; undefined where that is not known */
  constructor(
    private readonly sessions: DiskSessions,
    readonly session: Session,
    private readonly sentTo: number | undefined,
  ) {}

  get isEmpty(): boolean {
    return this.places.length === 0;
  }

  get subscriptions(): ReadonlyMap<string, Subscription> {
    return this.session.subscriptions;
  }

  /** A message of it that is in the file. */
  adopt(place: number, bytes: number, sequence: number): void {
    this.places.push(place);
    this.bytes += bytes + messageOverhead;
    if (sequence < this.nextSequence) this.isMixed = true;
    else this.nextSequence = sequence + 1;
  }

  /** All of it was found: what was published while the client was connected may come behind what was afterwards. */
  order(): void {
    if (!this.isMixed) return;
    const found = [...this.sessions.read(this.places)].sort((one, other) => one.sequence - other.sequence);
    for (const [index, { place }] of found.entries()) this.places[index] = place;
    this.places.length = found.length;
  }

  /** Its client is back: the session has its queue in memory from now on, as any other. */
  restore(session: Session): void {
    if (this.isAwake) return;
    this.isAwake = true;
    session.stored = undefined;
    // Of a broker that was killed nobody knows what it had sent: as much as it may have.
    const maybeSent = session.broker.limits.maximumInFlight;
    let index = 0;
    const { deliveries } = session;
    for (const { delivery, sequence, place, isReleased } of this.sessions.read(this.places)) {
      const isSent = this.sentTo === undefined ? index++ < maybeSent : sequence < this.sentTo;
      if (isReleased) deliveries.restore(delivery, sequence, DeliveryState.Released);
      else if (isSent) deliveries.restore(delivery, sequence, DeliveryState.Sent);
      else deliveries.take(delivery, sequence);
      deliveries.setLastPlace(place);
    }
    this.places.length = 0;
  }

  isFullFor(bytes: number): boolean {
    const { maximumQueuedMessages, maximumQueuedBytes } = this.session.broker.limits;
    if (this.isEmpty) return false;
    return this.places.length >= maximumQueuedMessages || this.bytes + bytes > maximumQueuedBytes;
  }

  append(delivery: Delivery): void {
    const { limits, counters } = this.session.broker;
    const isFull = (): boolean => this.isFullFor(delivery.size);
    while (limits.onQueueFull === 'dropOldest' && isFull()) {
      counters.messagesDropped++;
      this.dropOldest();
    }
    if (isFull()) {
      counters.messagesDropped++;
      return;
    }
    this.places.push(this.sessions.enqueue(this.session, delivery, this.nextSequence++));
    this.bytes += delivery.size;
  }

  private dropOldest(): void {
    const place = this.places.shift()!;
    for (const { delivery } of this.sessions.read([place])) this.bytes -= delivery.size;
    this.sessions.remove(place);
  }

  /** There is nothing more to read for a client that is not there. */
  refill(): void {}

  admit(): Promise<string> {
    return Promise.reject(new Error('its client is not connected'));
  }

  isAdmitted(): boolean {
    return false;
  }

  release(): void {}
}
