import { closeSync, ftruncateSync, mkdirSync, openSync, readSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Database, RootDatabase } from 'lmdb';
import { messageOf } from '../broker/error-text.js';
import { optionalPackage } from '../broker/optional-package.js';
import { FolderLock } from './folder-lock.js';
import { unusable } from './unusable.js';

type Table = Database<Buffer, Buffer>;

/** What there is in the file, each table with keys and values in bytes. */
export const tableNames = [
  'meta',
  'sessions',
  'subscriptions',
  'queue',
  'batches',
  'states',
  'received',
  'wills',
  'retained',
] as const;
export type TableName = (typeof tableNames)[number];

/** Of the layout of tables and records: a file of another version is not touched. */
const fileVersion = 2;

/**
 * The file of an LmdbStore: opened by one process at a time, and never as something that it is not.
 *
 * @see http://www.lmdb.tech/doc/
 */
export class DiskFile {
  readonly tables: Readonly<Record<TableName, Table>>;

  private constructor(
    private readonly lock: FolderLock,
    private readonly root: RootDatabase<Buffer, Buffer>,
    private readonly isSynced: boolean,
  ) {
    this.tables = openTables(root);
  }

  /**
   * @param isSynced whether a commit is on the disk itself, and not only in the hands of the operating system
   * @throws Error (as a rejection) with code STORE_UNUSABLE, or MISSING_PACKAGE
   */
  static async open(path: string, isSynced: boolean): Promise<DiskFile> {
    const { open } = await optionalPackage('store', 'lmdb', () => import('lmdb'));
    const folder = resolve(path);
    try {
      mkdirSync(folder, { recursive: true });
    } catch (error) {
      throw unusable(path, `cannot be made (${messageOf(error)}); choose a folder that this user may write to`, error);
    }
    const lock = await FolderLock.take(open, folder, path);
    let root: RootDatabase<Buffer, Buffer> | undefined;
    try {
      checkFile(join(folder, 'data.mdb'));
      root = open<Buffer, Buffer>(folder, {
        encoding: 'binary',
        keyEncoding: 'binary',
        maxDbs: tableNames.length,
        noSync: !isSynced,
        overlappingSync: false,
        // Else each commit is also a promise that nobody can reach: one that fails would end the process.
        eventTurnBatching: false,
      });
      checkVersion(root, path);
      return new DiskFile(lock, root, isSynced);
    } catch (error) {
      await root?.close();
      await lock.release();
      if ((error as NodeJS.ErrnoException).code === 'STORE_UNUSABLE') throw error;
      const remedy = 'it is damaged, or no store at all: name another folder, or put back a copy of this one';
      throw unusable(path, `cannot be opened (${messageOf(error)}); ${remedy}`, error);
    }
  }

  /** Writes all of it or nothing; undefined when it is kept at once, else a promise. */
  write(apply: () => void): Promise<void> | undefined {
    if (this.isSynced) return this.root.transaction(apply).catch(throwCause);
    this.root.transactionSync(apply);
    return undefined;
  }

  async close(): Promise<void> {
    await this.root.close();
    await this.lock.release();
  }
}

/** Before anything is written: a file that is not ours, or of another version, stays as it is. */
function checkVersion(root: RootDatabase<Buffer, Buffer>, path: string): void {
  if (isNew(root)) return;
  const options = { ...inBytes, create: false } as typeof inBytes;
  const meta = root.openDB<Buffer, Buffer>('meta', options) as Table | undefined;
  const version = meta?.get(versionKey)?.toString();
  if (version === undefined) {
    throw unusable(path, 'has an LMDB file (data.mdb) that is not of this broker; name another folder');
  }
  if (version !== String(fileVersion)) {
    throw unusable(
      path,
      `was written in version ${version} of its layout, this is ${fileVersion}; name another folder`,
    );
  }
}

/** Those of a new file and its version are one transaction: a file that has the ones has the other. */
function openTables(root: RootDatabase<Buffer, Buffer>): Record<TableName, Table> {
  const open = (name: TableName): [TableName, Table] => [name, root.openDB<Buffer, Buffer>(name, inBytes)];
  return root.transactionSync(() => {
    const isFirst = isNew(root);
    const tables = Object.fromEntries(tableNames.map(open)) as Record<TableName, Table>;
    if (isFirst) tables.meta.putSync(versionKey, Buffer.from(String(fileVersion)));
    return tables;
  });
}

const inBytes = { encoding: 'binary', keyEncoding: 'binary' } as const;

/** Tables stand as keys in the root. */
const isNew = (root: RootDatabase<Buffer, Buffer>): boolean => root.getKeysCount({ limit: 1 }) === 0;

/** Why a commit failed stands in a promise of its own: it has to be heard, or it would end the process. */
async function throwCause(error: unknown): Promise<never> {
  await (error as { commitError?: Promise<never> }).commitError;
  throw error;
}

/**
 * LMDB maps the file into memory and trusts it: what is no such file, or is cut off, would end the process.
 * @throws Error when it is none
 */
function checkFile(file: string): void {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size === 0) return;
  const bytes = Buffer.alloc(2 * largestPage);
  const descriptor = openSync(file, 'r+');
  try {
    readSync(descriptor, bytes, 0, bytes.length, 0);
    const pageSize = bytes.readUInt32LE(pageSizeAt);
    if (bytes.readUInt32LE(magicAt) !== magic || pageSize > largestPage) throw new Error('it is not an LMDB file');
    const pages = [0, pageSize].map((start) => Number(bytes.readBigUInt64LE(start + lastPageAt)) + 1);
    // Pages that are missing count as empty then, which is found out where they are needed, and is an error.
    if (size < Math.max(...pages) * pageSize) ftruncateSync(descriptor, Math.max(...pages) * pageSize);
  } finally {
    closeSync(descriptor);
  }
}

/** In the two pages at the begin of an LMDB file, of which the newer one counts. */
const magicAt = 24;
const magic = 0xbeefc0de;
const pageSizeAt = 48;
const lastPageAt = 144;
const largestPage = 65_536;

const versionKey = Buffer.from('version');
