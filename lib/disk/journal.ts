import type { Client } from '../broker/client.js';
import { NotKeptError } from '../broker/router.js';
import type { DiskFile, TableName } from './disk-file.js';
import { placeKey, writePlace } from './disk-records.js';

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

/**
 * What has changed since the last commit, in order; all of a tick is one transaction.
 *
 * What could not be written is kept, and written with the next tick: nothing that was removed may come back after a restart,
 * and nothing that is in memory may be missing for ever.
 */
export class Journal {
  private changes: Change[] = [];
  /** The last change of each key that could not be written. */
  private readonly late = new Map<string, Change>();
  /** Whose acknowledgements speak of the changes of this tick; undefined is the application. */
  private concerned = new Set<Client | undefined>();
  /** On their way to the disk. */
  private writing: readonly Change[] = [];
  private last: Promise<void> | undefined;
  private isClosed = false;
  /** LMDB copies the key. */
  private readonly place = Buffer.alloc(6);

  constructor(private readonly file: DiskFile) {}

  put(table: TableName, key: Buffer | number, value: Buffer): void {
    this.changes.push(new Change(table, key, value));
  }

  remove(table: TableName, key: Buffer | number): void {
    this.changes.push(new Change(table, key, undefined));
  }

  /** What of a table is not in the file yet: values by their keys (one character for each byte). */
  unwritten(table: TableName): Map<string, Buffer> {
    const values = new Map<string, Buffer>();
    for (const change of [...this.late.values(), ...this.writing, ...this.changes]) {
      if (change.table !== table) continue;
      const key = change.keyBytes.toString('latin1');
      if (change.value) values.set(key, change.value);
      else values.delete(key);
    }
    return values;
  }

  /** The acknowledgements of this client speak of what was just said. */
  concern(client: Client | undefined): void {
    this.concerned.add(client);
  }

  /** Undefined when everything is kept; a rejection names those who must not be told that it is. */
  commit(): Promise<void> | undefined {
    const { changes, concerned, late } = this;
    if (this.isClosed || (changes.length === 0 && late.size === 0)) return this.last;
    this.changes = [];
    this.concerned = new Set();
    const before = [...late.values()];
    late.clear();
    const failed = (error: unknown): never => {
      // What has changed since then is newer.
      const newer = new Set([...late.keys(), ...this.changes.map(({ name }) => name)]);
      for (const change of [...before, ...changes]) if (!newer.has(change.name)) late.set(change.name, change);
      const reason = error instanceof Error ? error.message : String(error);
      throw new NotKeptError(`the store cannot write: ${reason}`, concerned, { cause: error });
    };
    const apply = (): void => {
      for (const one of before) this.apply(one);
      for (const one of changes) this.apply(one);
    };
    let written: Promise<void> | undefined;
    try {
      written = this.file.write(apply);
    } catch (error) {
      failed(error);
    }
    if (!written) return undefined;
    this.writing = [...this.writing, ...before, ...changes];
    const kept: Promise<void> = written.catch(failed);
    const over = (): void => {
      if (this.last !== kept) return;
      this.last = undefined;
      this.writing = [];
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

  private apply({ table, key, value }: Change): void {
    const { [table]: database } = this.file.tables;
    const bytes = typeof key === 'number' ? writePlace(this.place, key) : key;
    if (value) database.putSync(bytes, value);
    else database.removeSync(bytes);
  }
}
