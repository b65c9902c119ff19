import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { open as openLmdb, RootDatabase, Transaction } from 'lmdb';
import { messageOf } from '../broker/error-text.js';
import { unusable } from './unusable.js';

/**
 * A folder is in use by one broker at a time: who has it is a reader of a small LMDB file in it (owner.mdb), as long as it lives.
 *
 * The number of a process does not say who that is: two containers that share a volume may both be process 1, and one that was
 * killed leaves its number behind. The operating system ends the locks under LMDB's table of readers with their process, and
 * knows them from all containers of a machine.
 */
export class FolderLock {
  private constructor(
    private readonly folder: string,
    private readonly file: RootDatabase,
    private readonly reading: Transaction,
  ) {}

  /**
   * @param path as the options have it
   * @throws Error (as a rejection) with code STORE_UNUSABLE
   */
  static async take(open: typeof openLmdb, folder: string, path: string): Promise<FolderLock> {
    if (taken.has(folder)) throw inUse(path, `process ${process.pid}, this one`);
    taken.add(folder);
    let file: RootDatabase | undefined;
    try {
      file = open({ path: join(folder, 'owner.mdb'), maxDbs: 1, noSync: true, overlappingSync: false });
      const reading = enter(file);
      if (!reading) throw inUse(path, `${ownerOf(folder)} (owner.mdb)`);
      writeFileSync(ownerFile(folder), `process ${process.pid} on ${hostname()}`);
      return new FolderLock(folder, file, reading);
    } catch (error) {
      await file?.close();
      taken.delete(folder);
      if ((error as NodeJS.ErrnoException).code === 'STORE_UNUSABLE') throw error;
      const remedy = 'let this user write to it, or remove owner.mdb while no broker runs';
      throw unusable(path, `cannot be locked (${messageOf(error)}); ${remedy}`, error);
    }
  }

  async release(): Promise<void> {
    // First: behind the lock it may be that of the next one.
    rmSync(ownerFile(this.folder), { force: true });
    this.reading.done();
    await this.file.close();
    taken.delete(this.folder);
  }
}

/** Folders that are open in this process. */
const taken = new Set<string>();

/** Undefined where another one reads. Of two that come at once each sees itself first, so that at most one sees nobody else. */
function enter(file: RootDatabase): Transaction | undefined {
  // Before: with the number of another that reads LMDB would wait for that one to end.
  if (readersOf(file) > 0) return undefined;
  const reading = file.useReadTransaction();
  if (readersOf(file) === 1) return reading;
  reading.done();
  return undefined;
}

/** A line for each: process, thread, transaction. */
const readersOf = (file: RootDatabase): number => file.readerList().match(/^ *\d+ /gm)?.length ?? 0;

/** Who it is stands in a file for people to read; it decides nothing. */
const ownerFile = (folder: string): string => join(folder, 'owner');

function ownerOf(folder: string): string {
  try {
    return readFileSync(ownerFile(folder), 'utf8');
  } catch {
    // It is not written yet, or not any more.
    return 'another process';
  }
}

const inUse = (path: string, owner: string): Error =>
  unusable(path, `is in use by ${owner}; stop that, or name another folder`);
