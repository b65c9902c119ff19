import type { Broker } from '../broker/broker.js';
import type { Delivery } from '../broker/delivery.js';
import { messageOf } from '../broker/error-text.js';
import type { Message } from '../broker/message.js';
import { NotKeptError } from '../broker/router.js';
import type { Session } from '../broker/session.js';
import { Store } from '../broker/store.js';
import type { LeftWill } from '../broker/wills.js';
import { DiskFile } from '../disk/disk-file.js';
import { keyOf } from '../disk/disk-records.js';
import { DiskSessions } from '../disk/disk-sessions.js';
import { Journal } from '../disk/journal.js';
import { noteStop, recover } from '../disk/recovery.js';
import { unusable } from '../disk/unusable.js';
import { encodeMessage } from '../records/message-record.js';
import type { Subscription } from '../topics/subscription.js';

export interface LmdbStoreOptions {
  /** Of the folder with the file; it is made where it is missing. */
  readonly path: string;
  /**
   * `commit`: what is acknowledged survives the end of the process, however it ends; a machine that loses its power may damage
   * the file. `fsync`: it survives that too, at the speed of the disk. Default `commit`.
   */
  readonly durability?: 'commit' | 'fsync' | undefined;
}

/**
 * Keeps sessions, their queues and what is in flight, retained messages and wills in a file of this machine, with the package
 * `lmdb`. All that one turn of the event loop has changed is one transaction, before its acknowledgements.
 */
export class LmdbStore extends Store {
  private parts: { file: DiskFile; journal: Journal; sessions: DiskSessions; broker: Broker } | undefined;

  constructor(private readonly options: LmdbStoreOptions) {
    super();
  }

  /** @throws Error (as a rejection) with code STORE_UNUSABLE, or MISSING_PACKAGE */
  override async open(broker: Broker): Promise<void> {
    const { path, durability = 'commit' } = this.options;
    const file = await DiskFile.open(path, durability === 'fsync');
    const journal = new Journal(file);
    const sessions = new DiskSessions(broker, file, journal);
    try {
      const { sessions: count, messages, retained } = recover(broker, file, journal, sessions);
      this.parts = { file, journal, sessions, broker };
      await journal.commit();
      broker.log.log(`store opened path=${path} sessions=${count} messages=${messages} retained=${retained}`);
    } catch (error) {
      // Nothing is written: the next start is to find what this one has found.
      this.parts = undefined;
      await file.close();
      if (error instanceof NotKeptError) throw unusable(path, `cannot be written to (${error.message})`, error);
      throw unusable(path, `is damaged (${messageOf(error)}); put back a copy of it, or name another folder`, error);
    }
  }

  override saveSession(session: Session): void {
    this.parts?.sessions.save(session);
  }

  override deleteSession(session: Session): void {
    this.parts?.sessions.delete(session);
  }

  override saveSubscription(session: Session, filter: string, subscription: Subscription): void {
    this.parts?.sessions.saveSubscription(session, filter, subscription);
  }

  override deleteSubscription(session: Session, filter: string): void {
    this.parts?.sessions.deleteSubscription(session, filter);
  }

  override enqueue(session: Session, delivery: Delivery, sequence: number): number {
    return this.parts?.sessions.enqueue(session, delivery, sequence) ?? 0;
  }

  override acknowledge(_session: Session, _sequence: number, place: number): void {
    this.parts?.sessions.remove(place);
  }

  override handedOver(session: Session, delivery: Delivery, sequence: number, place: number): void {
    this.parts?.sessions.handedOver(session, delivery, sequence, place);
  }

  override received(session: Session, packetId: number): void {
    this.parts?.sessions.received(session, packetId);
  }

  override released(session: Session, packetId: number): void {
    this.parts?.sessions.released(session, packetId);
  }

  override saveWill(session: Session, will: LeftWill | undefined): void {
    this.parts?.sessions.saveWill(session, will);
  }

  override retain(topic: string, message: Message | undefined): void {
    // The broker's own say how it is now.
    if (topic.startsWith('$SYS/')) return;
    if (!this.parts) return;
    const { journal, broker } = this.parts;
    const now = broker.clock.now();
    if (message) journal.put('retained', keyOf(topic), Buffer.concat([timestamp(now), encodeMessage(message, now)]));
    else journal.remove('retained', keyOf(topic));
    journal.concern(message?.publisher);
  }

  override commit(): Promise<void> | undefined {
    this.parts?.sessions.endTick();
    return this.parts?.journal.commit();
  }

  override async close(): Promise<void> {
    const { parts } = this;
    this.parts = undefined;
    if (!parts) return;
    noteStop(parts.journal, parts.broker.clock.now());
    parts.sessions.endTick();
    try {
      await parts.journal.close();
    } finally {
      await parts.file.close();
    }
  }
}

function timestamp(now: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeDoubleBE(now);
  return bytes;
}
