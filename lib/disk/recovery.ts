import type { Broker } from '../broker/broker.js';
import type { Session } from '../broker/session.js';
import { delayOf } from '../broker/wills.js';
import { decodeWill } from '../records/delivery-record.js';
import { decodeMessage } from '../records/message-record.js';
import { readBatch } from './batches.js';
import type { DiskFile } from './disk-file.js';
import type { DiskSessions } from './disk-sessions.js';
import { decodeEntry, decodeSession, decodeSubscription, placeOf, type SessionRecord } from './disk-records.js';
import type { Journal } from './journal.js';
import { WaitingSession } from './waiting-session.js';

/** What was found. */
export interface Recovered {
  readonly sessions: number;
  readonly messages: number;
  readonly retained: number;
}

/**
 * Gives a broker that starts what an earlier run has left in the file. Queues are only looked through: their messages stay where
 * they are until their clients are back.
 *
 * @throws Error for a record that cannot be read: a file that is damaged must not pass for one that has less
 */
export function recover(broker: Broker, file: DiskFile, journal: Journal, sessions: DiskSessions): Recovered {
  const { tables } = file;
  // Absent when the last run was killed: then what was connected is so no more from now on.
  const stoppedAt = Number(tables.meta.get(stoppedKey)?.toString() ?? NaN);
  const wasStopped = !Number.isNaN(stoppedAt);
  journal.remove('meta', stoppedKey);
  const byNumber = new Map<number, Found>();
  for (const { key, value } of tables.sessions.getRange()) {
    const record = decodeSession(value);
    const wasConnected = record.disconnectedAt === undefined;
    // It ended with its connection, when the broker stopped: then its will is not published.
    if (wasConnected && wasStopped && record.expiryInterval === 0) {
      journal.remove('sessions', Buffer.from(key));
      continue;
    }
    const disconnectedAt = record.disconnectedAt ?? (stoppedAt || broker.clock.now());
    const isLeftByStop = wasConnected ? wasStopped : record.isLeftByStop === true;
    const session = broker.sessions.restore(record.clientId, record.expiryInterval, disconnectedAt);
    sessions.adopt(session, record.number);
    const waiting = new WaitingSession(sessions, session);
    byNumber.set(record.number, { record, session, waiting, disconnectedAt, isLeftByStop });
  }
  for (const { key, value } of tables.subscriptions.getRange()) {
    const found = byNumber.get(Buffer.from(key).readUInt32BE(0));
    if (found) broker.subscriptions.enter(found.session, ...decodeSubscription(value));
    else journal.remove('subscriptions', Buffer.from(key));
  }
  let messages = 0;
  for (const { key, value } of tables.queue.getRange()) {
    const place = placeOf(key);
    const entry = decodeEntry(value);
    const { number } = entry;
    const waiting = byNumber.get(number)?.waiting;
    sessions.usedTo(place);
    if (!waiting) {
      journal.remove('queue', place);
      continue;
    }
    messages++;
    waiting.adopt(place, value.length, entry);
  }
  messages += recoverBatches(file, journal, sessions, byNumber);
  for (const key of tables.received.getKeys()) {
    const bytes = Buffer.from(key);
    const found = byNumber.get(bytes.readUInt32BE(0));
    if (found) found.session.received.add(bytes.readUInt16BE(4));
    else journal.remove('received', bytes);
  }
  for (const found of byNumber.values()) arrange(found, sessions, broker.limits.maximumInFlight);
  const retained = recoverRetained(broker, file);
  recoverWills(broker, file, journal, byNumber);
  return { sessions: byNumber.size, messages, retained };
}

/** The broker stops, and is not killed. */
export function noteStop(journal: Journal, now: number): void {
  journal.put('meta', stoppedKey, Buffer.from(String(now)));
}

const stoppedKey = Buffer.from('stopped');

interface Found {
  readonly record: SessionRecord;
  readonly session: Session;
  readonly waiting: WaitingSession;
  readonly disconnectedAt: number;
  readonly isLeftByStop: boolean;
}

/** All messages of a session are found. What it was like when the broker ended is known only now: it is written down. */
function arrange(
  { record, session, waiting, disconnectedAt, isLeftByStop }: Found,
  sessions: DiskSessions,
  maximumInFlight: number,
): void {
  const { number, clientId, expiryInterval, receiveMaximum = maximumInFlight } = record;
  const sentTo = waiting.arrange(record.sentTo, receiveMaximum);
  // One without messages needs nobody to look after it.
  if (waiting.places.length > 0) session.stored = waiting;
  if (sentTo !== record.sentTo) {
    sessions.rewrite({ number, clientId, expiryInterval, disconnectedAt, sentTo, isLeftByStop });
  }
}

/** What came last for clients that were connected moves to the queues, behind what is there. */
function recoverBatches(
  { tables }: DiskFile,
  journal: Journal,
  sessions: DiskSessions,
  byNumber: ReadonlyMap<number, Found>,
): number {
  let messages = 0;
  for (const { key, value } of tables.batches.getRange()) {
    const batch = placeOf(key);
    for (const entry of readBatch(value, tables.states.get(Buffer.from(key)))) {
      const waiting = byNumber.get(entry.number)?.waiting;
      if (!waiting) continue;
      messages++;
      const { place, bytes } = sessions.restore(entry);
      waiting.adopt(place, bytes, entry);
    }
    journal.remove('batches', batch);
    journal.remove('states', batch);
  }
  return messages;
}

function recoverRetained({ retained, clock }: Broker, { tables }: DiskFile): number {
  let count = 0;
  for (const { value } of tables.retained.getRange()) {
    const writtenAt = value.readDoubleBE(0);
    retained.restore(decodeMessage(value.subarray(8), 'a store', Math.min(writtenAt, clock.now())));
    count++;
  }
  return count;
}

/** A connection that ended with the broker's process has ended: its will is due after its delay, and after a stop with its session. */
function recoverWills(
  broker: Broker,
  { tables }: DiskFile,
  journal: Journal,
  byNumber: ReadonlyMap<number, Found>,
): void {
  for (const { key, value } of tables.wills.getRange()) {
    const found = byNumber.get(Buffer.from(key).readUInt32BE(0));
    if (!found) {
      journal.remove('wills', Buffer.from(key));
      continue;
    }
    const { session, disconnectedAt, isLeftByStop } = found;
    const will = decodeWill(value);
    const dueAt = isLeftByStop ? Infinity : disconnectedAt + delayOf(will.fields, session) * 1000;
    broker.wills.restore(session, will, dueAt);
  }
}
