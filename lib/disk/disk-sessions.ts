import type { Broker } from '../broker/broker.js';
import type { Delivery } from '../broker/delivery.js';
import type { Session } from '../broker/session.js';
import type { LeftWill } from '../broker/wills.js';
import { decodeDelivery, encodeWill } from '../records/delivery-record.js';
import type { Subscription } from '../topics/subscription.js';
import { Batches, type Young } from './batches.js';
import type { DiskFile } from './disk-file.js';
import {
  decodeEntry,
  encodeEntry,
  encodeSession,
  encodeSubscription,
  joinEntry,
  keyOf,
  numberKey,
  placeKey,
  type EntryHeader,
  type SessionRecord,
  type StoredEntry,
} from './disk-records.js';
import type { Journal } from './journal.js';
import { WaitingSession } from './waiting-session.js';

/** What the file has of sessions that outlive their connections, and of wills; every change goes to the journal. */
export class DiskSessions {
  /** Under which the file has a session; what is not here is not kept. */
  private readonly numbers = new Map<Session, number>();
  private readonly batches: Batches;
  private nextNumber = 1;
  private nextPlace = 1;

  constructor(
    readonly broker: Broker,
    private readonly file: DiskFile,
    private readonly journal: Journal,
  ) {
    this.batches = new Batches(journal);
  }

  /** A session that the file has. */
  adopt(session: Session, number: number): void {
    this.numbers.set(session, number);
    this.nextNumber = Math.max(this.nextNumber, number + 1);
  }

  /** The file has messages up to this place. */
  usedTo(place: number): void {
    this.nextPlace = Math.max(this.nextPlace, place + 1);
  }

  save(session: Session): void {
    if (session.expiryInterval === 0 && !this.numbers.has(session)) return;
    this.write(session);
    this.journal.concern(session.connection?.client);
  }

  delete(session: Session): void {
    const number = this.numbers.get(session);
    if (number === undefined) return;
    this.numbers.delete(session);
    this.journal.remove('sessions', keyOf(session.clientId));
    this.journal.remove('wills', numberKey(number));
    for (const { place } of session.deliveries.all()) this.remove(place);
    if (session.stored instanceof WaitingSession) for (const place of session.stored.places) this.remove(place);
    for (const packetId of session.received) this.journal.remove('received', numberKey(number, packetId));
  }

  saveSubscription(session: Session, filter: string, subscription: Subscription): void {
    const number = this.numbers.get(session);
    if (number === undefined) return;
    this.journal.put('subscriptions', keyOf(filter, numberKey(number)), encodeSubscription(filter, subscription));
    this.journal.concern(session.connection?.client);
  }

  deleteSubscription(session: Session, filter: string): void {
    const number = this.numbers.get(session);
    if (number === undefined) return;
    this.journal.remove('subscriptions', keyOf(filter, numberKey(number)));
    this.journal.concern(session.connection?.client);
  }

  /** @returns its place; 0 where the session is not kept */
  enqueue(session: Session, delivery: Delivery, sequence: number): number {
    const number = this.numbers.get(session);
    if (number === undefined) return 0;
    this.journal.concern(delivery.message.publisher);
    if (session.connection) return this.batches.add(session, number, delivery, sequence, this.broker.clock.now());
    return this.put({ number, sequence, isReleased: false }, delivery);
  }

  /** A message for a session whose queue is in the file alone. */
  append(session: Session, delivery: Delivery, sequence: number): Appended {
    this.journal.concern(delivery.message.publisher);
    const header = { number: this.numbers.get(session)!, sequence, isReleased: false };
    return this.add(encodeEntry(header, delivery, this.broker.clock.now()));
  }

  /** From here on the message itself is not needed. */
  handedOver(session: Session, delivery: Delivery, sequence: number, place: number): void {
    const number = this.numbers.get(session);
    if (number === undefined || place === 0) return;
    if (place < 0) this.batches.handedOver(place);
    else this.put({ number, sequence, isReleased: true }, delivery, place);
    this.journal.concern(session.connection?.client);
  }

  /** The client has a message, or will not get it. */
  remove(place: number): void {
    if (place < 0) this.batches.remove(place);
    else if (place > 0) this.journal.remove('queue', place);
  }

  /** The tick is over: what has come in it goes to the journal. */
  endTick(): void {
    const staysAfter = this.broker.clock.now() - youngMs;
    for (const young of this.batches.olderThan(staysAfter)) this.moveToQueue(young);
    this.batches.write();
  }

  received(session: Session, packetId: number): void {
    const number = this.numbers.get(session);
    if (number === undefined) return;
    this.journal.put('received', numberKey(number, packetId), empty);
    this.journal.concern(session.connection?.client);
  }

  released(session: Session, packetId: number): void {
    const number = this.numbers.get(session);
    if (number === undefined) return;
    this.journal.remove('received', numberKey(number, packetId));
    this.journal.concern(session.connection?.client);
  }

  /** A will is kept also of a session that ends with its connection: the broker may end before both. */
  saveWill(session: Session, will: LeftWill | undefined): void {
    if (will && !this.numbers.has(session)) this.write(session);
    const number = this.numbers.get(session);
    if (number === undefined) return;
    if (will) this.journal.put('wills', numberKey(number), encodeWill(will.fields, will.client));
    else this.journal.remove('wills', numberKey(number));
  }

  /** Messages by their places in the file; those that cannot be read are left out. */
  *read(places: readonly number[]): Generator<StoredDelivery, void> {
    const unwritten = this.journal.unwritten('queue');
    for (const place of places) {
      const key = placeKey(place);
      const bytes = unwritten.get(key.toString('latin1')) ?? this.file.tables.queue.get(key);
      const found = bytes && this.decode(place, bytes);
      if (found) yield found;
    }
  }

  private decode(place: number, bytes: Buffer): StoredDelivery | undefined {
    const { log, clock, subscriptions } = this.broker;
    try {
      const { sequence, isReleased, delivery: record } = decodeEntry(bytes);
      const delivery = decodeDelivery(record, clock.now(), (name) => subscriptions.group(name));
      return { delivery, sequence, place, isReleased };
    } catch (error) {
      log.error(`a stored message cannot be read place=${place}`, error);
      return undefined;
    }
  }

  /** A message of a batch that was found in the file. */
  restore(entry: StoredEntry): Appended {
    return this.add(joinEntry(entry));
  }

  /** What was found out about a session. */
  rewrite(record: SessionRecord): void {
    this.journal.put('sessions', keyOf(record.clientId), encodeSession(record));
  }

  private add(entry: Buffer): Appended {
    const place = this.nextPlace++;
    this.journal.put('queue', place, entry);
    return { place, bytes: entry.length };
  }

  private moveToQueue({ session, delivery, sequence, place, isReleased }: Young): void {
    const number = this.numbers.get(session)!;
    this.batches.remove(place);
    session.deliveries.move(sequence, this.put({ number, sequence, isReleased }, delivery));
  }

  private put(header: EntryHeader, delivery: Delivery, place = this.nextPlace++): number {
    this.journal.put('queue', place, encodeEntry(header, delivery, this.broker.clock.now()));
    return place;
  }

  private write(session: Session): void {
    const number = this.numbers.get(session) ?? this.nextNumber++;
    this.numbers.set(session, number);
    const { clientId, expiryInterval, connection, deliveries } = session;
    const state = connection
      ? { receiveMaximum: connection.receiveMaximum }
      : { disconnectedAt: this.broker.clock.now(), sentTo: deliveries.sentTo };
    this.rewrite({ number, clientId, expiryInterval, ...state });
  }
}

/** Where a message stands in the file, and the bytes of its entry. */
interface Appended {
  readonly place: number;
  readonly bytes: number;
}

/** A delivery as it stands in the file. */
interface StoredDelivery {
  readonly delivery: Delivery;
  readonly sequence: number;
  readonly place: number;
  readonly isReleased: boolean;
}

const empty = Buffer.alloc(0);
/** Milliseconds after which a message that is not acknowledged moves to the queue. */
const youngMs = 1000;
