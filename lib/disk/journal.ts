import type { Client } from '../broker/client.js';
import { NotKeptError } from '../broker/router.js';
import type { DiskFile, TableName } from './disk-file.js';
import { placeKey, writePlace } from './disk-records.js';
import { messageOf } from '../broker/error-text.js';

/** A class: of object literals V8 would keep count, as of those in `OwnFrame`. */
class Change {
  constructor(
    readonly table: TableName,
    /** In the table `queue` the place of a message: most changes are of that table, and a number costs nothing. */
    readonly key: Buffer | number,
    /** undefined removes the key. */
    readonly value: Buffer | undefined,
  ) {}

  get keyBytes(): Buffer {
    return typeof this.key === 'number' ? placeKey(this.key) : this.key;
  }

  /** One character for each byte. */
  get name(): string {
    return `${this.table} ${this.keyBytes.toString('latin1')}`;
  }
}

/** What one transaction writes: what has changed in a tick, in order, or in all that ended while another was on its way. */
class Commit {
  changes: Change[] = [];
  /** Whose acknowledgements speak of it; undefined is the application. */
  readonly concerned = new Set<Client | undefined>();

  append({ changes, concerned }: Commit): void {
    for (const change of changes) this.changes.push(change);
    for (const client of concerned) this.concerned.add(client);
  }
}

/**
 * What has changed and is not in the file yet; all of a tick is one transaction, and one is on its way at a time.
 *
 * LMDB writes one after the other anyway. So ticks that end meanwhile gather, and are the next one: what is newer is behind what
 * is older, whatever fails. What could not be written goes before what comes next: nothing that was removed may come back after
 * a restart, and nothing that is in memory may be missing for ever.
 */
export class Journal {
  private current = new Commit();
  /** Of ticks that are over. */
  private gathered: Commit | undefined;
  private writing: Commit | undefined;
  /** Of the newest commit; undefined when nothing is on its way. */
  private last: Promise<void> | undefined;
  private isClosed = false;
  /** LMDB copies the key. */
  private readonly place = Buffer.alloc(6);

  constructor(private readonly file: DiskFile) {}

  put(table: TableName, key: Buffer | number, value: Buffer): void {
    this.current.changes.push(new Change(table, key, value));
  }

  remove(table: TableName, key: Buffer | number): void {
    this.current.changes.push(new Change(table, key, undefined));
  }

  /** What of a table is not in the file yet: values by their keys (one character for each byte). */
  unwritten(table: TableName): Map<string, Buffer> {
    const values = new Map<string, Buffer>();
    for (const change of this.pending()) {
      if (change.table !== table) continue;
      const key = change.keyBytes.toString('latin1');
      if (change.value) values.set(key, change.value);
      else values.delete(key);
    }
    return values;
  }

  /** The acknowledgements of this client speak of what was just said. */
  concern(client: Client | undefined): void {
    this.current.concerned.add(client);
  }

  /** Undefined when everything is kept; a rejection names those who must not be told that it is. */
  commit(): Promise<void> | undefined {
    const { current, gathered, last } = this;
    if (this.isClosed || current.changes.length === 0) return last;
    this.current = new Commit();
    if (gathered) {
      gathered.append(current);
      return last;
    }
    const kept = last ? this.writeAfter(last, current) : this.write(current);
    if (!kept) return undefined;
    const over = (): void => {
      if (this.last === kept) this.last = undefined;
    };
    kept.then(over, over);
    return (this.last = kept);
  }

  /** The rest is written. */
  async close(): Promise<void> {
    try {
      await this.commit();
    } finally {
      this.isClosed = true;
    }
  }

  private *pending(): Generator<Change, void> {
    for (const commit of [this.writing, this.gathered, this.current]) if (commit) yield* commit.changes;
  }

  /** Ticks that end until then go with it. */
  private writeAfter(last: Promise<void>, commit: Commit): Promise<void> {
    this.gathered = commit;
    const begin = (): Promise<void> | undefined => {
      this.gathered = undefined;
      return this.write(commit);
    };
    return last.then(begin, begin);
  }

  private write(commit: Commit): Promise<void> | undefined {
    let written: Promise<void> | undefined;
    try {
      written = this.file.write(() => this.apply(commit));
    } catch (error) {
      this.fail(commit, error);
    }
    if (!written) return undefined;
    this.writing = commit;
    const isOver = (): void => {
      this.writing = undefined;
    };
    return written.then(isOver, (error: unknown) => {
      isOver();
      this.fail(commit, error);
    });
  }

  private fail({ changes, concerned }: Commit, error: unknown): never {
    const next = this.gathered ?? this.current;
    next.changes = this.lastOfEach([...changes, ...next.changes]);
    throw new NotKeptError(`the store cannot write: ${messageOf(error)}`, concerned, { cause: error });
  }

  /** The last change of each key, but for the end of what has never come into the file: on a full disk these would be ever more. */
  private lastOfEach(changes: readonly Change[]): Change[] {
    const byName = new Map<string, Change>();
    for (const change of changes) byName.set(change.name, change);
    return [...byName.values()].filter(
      ({ table, value, keyBytes }) => value !== undefined || this.file.tables[table].doesExist(keyBytes),
    );
  }

  private apply({ changes }: Commit): void {
    const { tables } = this.file;
    for (const { table, key, value } of changes) {
      const bytes = typeof key === 'number' ? writePlace(this.place, key) : key;
      if (value) tables[table].putSync(bytes, value);
      else tables[table].removeSync(bytes);
    }
  }
}
