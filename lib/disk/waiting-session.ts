import { DeliveryState, type Delivery } from '../broker/delivery.js';
import type { Client } from '../broker/client.js';
import { messageOverhead, type Message } from '../broker/message.js';
import type { Session } from '../broker/session.js';
import type { StoredSession } from '../broker/stored-session.js';
import type { Subscription } from '../topics/subscription.js';
import { packetIds } from '../broker/delivery-ring.js';
import type { EntryHeader } from './disk-records.js';
import type { DiskSessions } from './disk-sessions.js';

/**
 * A session of an earlier run whose client has not come back yet: its queue is in the file, and stays there until it does.
 *
 * In memory is where its messages stand, and a few numbers for each. What is published meanwhile goes to the file and nowhere
 * else.
 */
export class WaitingSession implements StoredSession {
  readonly isPresent = true;
  readonly isDurable = true;
  readonly isCurrent = true;
  /** Of its messages in the file, in their order. */
  places: number[] = [];
  /** Bytes that each takes there. */
  private sizes: number[] = [];
  /** Until all are found, their sequence numbers, and those of messages of which PUBREC came. */
  private sequences: number[] = [];
  private released: Set<number> | undefined = undefined;
  /** How many at the front may have been sent, and the sequence number behind them. */
  private sent = 0;
  private sentTo = 0;
  /** Of those that wait. */
  private bytes = 0;
  private nextSequence = 0;
  /** Before this time nothing that waits has expired; that of messages in the file is not known. */
  private earliestExpiry = 0;
  /** QoS 2 messages of ticks of which is not known yet whether they are kept. */
  private unkept: { readonly place: number; readonly message: Message }[] = [];
  private isAwake = false;

  constructor(
    private readonly sessions: DiskSessions,
    readonly session: Session,
  ) {}

  get isEmpty(): boolean {
    return this.places.length === 0;
  }

  get subscriptions(): ReadonlyMap<string, Subscription> {
    return this.session.subscriptions;
  }

  /** A message of it that is in the file. */
  adopt(place: number, bytes: number, { sequence, isReleased }: EntryHeader): void {
    this.add(place, bytes);
    this.sequences.push(sequence);
    if (isReleased) (this.released ??= new Set()).add(sequence);
  }

  /**
   * All of it was found: what was published while the client was connected may come behind what was afterwards.
   * @param sentTo sequence number behind the last message that was sent; undefined where nobody knows
   * @param receiveMaximum how many may have been in flight then
   * @returns the same, as good as it can be known
   */
  arrange(sentTo: number | undefined, receiveMaximum: number): number {
    this.sort();
    const { sequences, sizes } = this;
    this.sent = sentTo === undefined ? this.maybeSent(receiveMaximum) : countBelow(sequences, sentTo);
    this.sentTo = this.sent === 0 ? 0 : sequences[this.sent - 1] + 1;
    this.nextSequence = sequences.length === 0 ? 0 : sequences.at(-1)! + 1;
    for (let index = this.sent; index < sizes.length; index++) this.bytes += sizes[index];
    this.sequences = [];
    this.released = undefined;
    return this.sentTo;
  }

  /** Its client is back: the session has its queue in memory from now on, as any other. */
  restore(session: Session): void {
    if (this.isAwake) return;
    this.isAwake = true;
    session.stored = undefined;
    const { deliveries } = session;
    for (const { delivery, sequence, place, isReleased } of this.sessions.read(this.places)) {
      const state = isReleased ? DeliveryState.Released : DeliveryState.Sent;
      if (sequence < this.sentTo) deliveries.restore(delivery, sequence, state);
      else deliveries.take(delivery, sequence);
      deliveries.setLastPlace(place);
    }
    this.places = [];
  }

  isFullFor(bytes: number): boolean {
    this.dropExpired(bytes);
    return this.isFull(bytes);
  }

  append(delivery: Delivery): void {
    const { limits, counters } = this.session.broker;
    const { size, message } = delivery;
    this.dropExpired(size);
    if (limits.onQueueFull === 'dropOldest') while (this.isFull(size)) this.drop(this.sent);
    if (this.isFull(size)) {
      counters.messagesDropped++;
      return;
    }
    const { place, bytes } = this.sessions.append(this.session, delivery, this.nextSequence++);
    this.bytes += this.add(place, bytes);
    if (delivery.qos === 2) this.holdBack(place, message);
    if (message.expiresAt < this.earliestExpiry) this.earliestExpiry = message.expiresAt;
  }

  withdraw(tick: number, isConcerned: (publisher: Client | undefined) => boolean): void {
    const isMeant = ({ message }: { message: Message }) => message.tick === tick && isConcerned(message.publisher);
    for (const { place } of this.unkept.filter(isMeant)) {
      const index = this.places.lastIndexOf(place);
      if (index >= this.sent) this.drop(index);
    }
  }

  private holdBack(place: number, message: Message): void {
    const { barrier } = this.session.broker;
    this.unkept = this.unkept.filter((one) => !barrier.isSettled(one.message.tick));
    this.unkept.push({ place, message });
    barrier.holdBack(this.session);
  }

  private sort(): void {
    const { sequences, places, sizes } = this;
    if (!sequences.some((sequence, index) => index > 0 && sequence < sequences[index - 1])) return;
    const order = [...sequences.keys()].sort((one, other) => sequences[one] - sequences[other]);
    this.sequences = order.map((index) => sequences[index]);
    this.places = order.map((index) => places[index]);
    this.sizes = order.map((index) => sizes[index]);
  }

  /**
   * Of a broker that was killed nobody knows what it had sent: as much as it may have. All that was sent and not acknowledged
   * took part of the Receive Maximum, but for what was handed over on an earlier connection.
   */
  private maybeSent(receiveMaximum: number): number {
    const { sequences, released } = this;
    const most = Math.min(sequences.length, receiveMaximum + (released?.size ?? 0));
    const inFlight = countBelow(sequences.slice(0, most), sequences[0] + packetIds);
    const lastReleased = released ? sequences.findLastIndex((sequence) => released.has(sequence)) : -1;
    return Math.max(inFlight, lastReleased + 1);
  }

  /** @returns what it counts */
  private add(place: number, bytes: number): number {
    const size = bytes + messageOverhead;
    this.places.push(place);
    this.sizes.push(size);
    return size;
  }

  private isFull(bytes: number): boolean {
    const { maximumQueuedMessages, maximumQueuedBytes } = this.session.broker.limits;
    const queued = this.places.length - this.sent;
    // One message always fits, however large: else it could never be delivered.
    return queued > 0 && (queued >= maximumQueuedMessages || this.bytes + bytes > maximumQueuedBytes);
  }

  /** Where there is no room for so many bytes more, what has expired gives way first. */
  private dropExpired(bytes: number): void {
    const now = this.session.broker.clock.now();
    if (now < this.earliestExpiry || !this.isFull(bytes)) return;
    const { places, sent } = this;
    const expired = new Set<number>();
    this.earliestExpiry = Infinity;
    for (const { delivery, place } of this.sessions.read(places.slice(sent))) {
      const { expiresAt } = delivery.message;
      if (expiresAt <= now) expired.add(place);
      else if (expiresAt < this.earliestExpiry) this.earliestExpiry = expiresAt;
    }
    for (let index = places.length - 1; index >= sent; index--) if (expired.has(places[index])) this.drop(index);
  }

  private drop(index: number): void {
    const [place] = this.places.splice(index, 1);
    const [size] = this.sizes.splice(index, 1);
    this.bytes -= size;
    this.session.broker.counters.messagesDropped++;
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

/** Of numbers that ascend. */
function countBelow(numbers: readonly number[], limit: number): number {
  const count = numbers.findIndex((number) => number >= limit);
  return count < 0 ? numbers.length : count;
}
