import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { DiskFile } from '../../lib/disk/disk-file.js';
import { placeKey } from '../../lib/disk/disk-records.js';
import { Journal } from '../../lib/disk/journal.js';
import { NotKeptError } from '../../lib/broker/router.js';

/** A disk that ends each write when it is told to, well or not. */
class SlowFile {
  readonly rows = new Map<string, string>();
  private settle: ((isKept: boolean) => void) | undefined;
  private readonly table = {
    putSync: (key: Buffer, value: Buffer) => void this.rows.set(nameOf(key), value.toString()),
    removeSync: (key: Buffer) => void this.rows.delete(nameOf(key)),
    doesExist: (key: Buffer) => this.rows.has(nameOf(key)),
    get: (key: Buffer) => this.rows.get(nameOf(key)),
  };
  readonly tables = { queue: this.table };

  write(apply: () => void): Promise<void> {
    expect(this.settle).toBeUndefined();
    return new Promise((resolve, reject) => {
      this.settle = (isKept) => {
        this.settle = undefined;
        if (!isKept) return reject(new Error('ENOSPC'));
        apply();
        resolve();
      };
    });
  }

  /** @returns whether there was anything to end */
  async end(isKept: boolean): Promise<boolean> {
    const isWriting = this.settle !== undefined;
    this.settle?.(isKept);
    await new Promise(setImmediate);
    return isWriting;
  }
}

const nameOf = (key: Buffer): string => key.toString('latin1');
const journalOf = (file: SlowFile): Journal => new Journal(file as unknown as DiskFile);

/** What is held in memory, by the names of its parts. */
const heldBy = (journal: Journal): number => [...journal['pending']()].length;

describe('a journal', () => {
  it('brings the last value of each key into the file, whatever fails, and knows it meanwhile', async () => {
    const place = fc.integer({ min: 1, max: 4 });
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ put: place }) },
      { weight: 3, arbitrary: fc.record({ remove: place }) },
      { weight: 4, arbitrary: fc.constant('commit' as const) },
      { weight: 4, arbitrary: fc.record({ isKept: fc.boolean() }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const file = new SlowFile();
        const journal = journalOf(file);
        const model = new Map<number, string>();
        for (const [index, one] of steps.entries()) {
          if (one === 'commit') {
            journal.commit()?.catch(() => {});
          } else if ('put' in one) {
            journal.put('queue', one.put, Buffer.from(String(index)));
            model.set(one.put, String(index));
          } else if ('remove' in one) {
            journal.remove('queue', one.remove);
            model.delete(one.remove);
          } else {
            await file.end(one.isKept);
          }
          const unwritten = journal.unwritten('queue');
          for (const [key, value] of model)
            expect(unwritten.get(nameOf(placeKey(key)))?.toString() ?? file.tables.queue.get(placeKey(key))).toBe(
              value,
            );
        }
        const kept = journal.close();
        while (await file.end(true));
        await kept.catch(() => {});
        const wanted = [...model].map(([key, value]) => [nameOf(placeKey(key)), value]);
        expect(Object.fromEntries(file.rows)).toEqual(Object.fromEntries(wanted));
        expect(heldBy(journal)).toBe(0);
      }),
    );
  });

  it('keeps what a commit has when a commit before it fails', async () => {
    const file = new SlowFile();
    const journal = journalOf(file);
    journal.put('queue', 5, Buffer.from('message'));
    const first = journal.commit()!;
    journal.remove('queue', 5);
    const second = journal.commit()!;

    const outcomes = Promise.allSettled([first, second]);
    await file.end(false);
    await file.end(true);

    expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    expect([...file.rows]).toEqual([]);
    expect(journal.commit()).toBeUndefined();
  });

  it('keeps the newer of two changes when both commits have failed', async () => {
    const file = new SlowFile();
    const journal = journalOf(file);
    for (const value of ['older', 'newer']) {
      journal.put('queue', 5, Buffer.from(value));
      journal.commit()!.catch(() => {});
    }
    await file.end(false);
    await file.end(false);

    const kept = journal.commit();
    await file.end(true);
    await kept;

    expect([...file.rows.values()]).toEqual(['newer']);
  });

  it('writes nothing of a tick that is not over', async () => {
    const file = new SlowFile();
    const journal = journalOf(file);
    for (const value of ['first', 'second']) {
      journal.put('queue', 1, Buffer.from(value));
      void journal.commit();
    }
    journal.put('queue', 2, Buffer.from('half a tick'));
    await file.end(true);
    await file.end(true);

    expect([...file.rows.values()]).toEqual(['second']);
    expect(heldBy(journal)).toBe(1);
  });

  it('says for all whose ticks went together that they are not kept, and for nobody else', async () => {
    const file = new SlowFile();
    const journal = journalOf(file);
    const clients = ['a', 'b', 'c'].map((clientId) => ({ clientId }) as never);
    const commits = clients.map((client, index) => {
      journal.put('queue', index, Buffer.from('x'));
      journal.concern(client);
      return journal.commit()!;
    });

    const outcomes = Promise.allSettled(commits);
    await file.end(true);
    await file.end(false);

    const [first, ...others] = await outcomes;
    expect(first.status).toBe('fulfilled');
    for (const other of others) {
      const { reason } = other as { reason: NotKeptError };
      expect([...reason.publishers]).toEqual(clients.slice(1));
    }
  });

  it('holds what one write takes while there is always one on its way', async () => {
    const file = new SlowFile();
    const journal = journalOf(file);
    for (let round = 0; round < 200; round++) {
      for (let tick = 0; tick < 3; tick++) {
        journal.put('queue', round * 3 + tick, Buffer.from('x'));
        void journal.commit();
      }
      await file.end(true);
      expect(heldBy(journal)).toBeLessThanOrEqual(6);
    }
  });

  it('holds nothing of what came and went while nothing could be written', async () => {
    const file = new SlowFile();
    const journal = journalOf(file);
    for (let round = 0; round < 50; round++) {
      journal.put('queue', round, Buffer.from('x'));
      if (round > 0) journal.remove('queue', round - 1);
      journal.commit()!.catch(() => {});
      await file.end(false);
      expect(heldBy(journal)).toBeLessThanOrEqual(2);
    }
  });
});

describe('a journal over LMDB on the disk itself', () => {
  let folder: string;
  let file: DiskFile;
  let journal: Journal;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mqttd-journal-'));
    file = await DiskFile.open(folder, true);
    journal = new Journal(file);
  });
  afterEach(async () => {
    await file.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** The next puts fail, as if LMDB had refused them. */
  const failPuts = (count: number): void => {
    const { queue } = file.tables;
    const put = queue.putSync.bind(queue);
    let left = count;
    Object.defineProperty(queue, 'putSync', {
      value: (key: Buffer, value: Buffer) => {
        if (left-- > 0) throw new Error('MDB_MAP_FULL');
        put(key, value);
      },
    });
  };

  const commitEach = async (...changes: readonly (() => void)[]): Promise<string[]> => {
    const commits = changes.map((change) => {
      change();
      return journal.commit()!;
    });
    return (await Promise.allSettled(commits)).map(({ status }) => status);
  };

  it('does not bring back what was removed while its write failed', async () => {
    failPuts(1);
    const outcomes = await commitEach(
      () => journal.put('queue', 5, Buffer.from('message')),
      () => journal.remove('queue', 5),
    );
    await journal.close();

    expect(outcomes).toEqual(['rejected', 'fulfilled']);
    expect(file.tables.queue.get(placeKey(5))).toBeUndefined();
  });

  it('keeps the newer of two changes when both writes have failed', async () => {
    failPuts(2);
    const outcomes = await commitEach(
      () => journal.put('queue', 5, Buffer.from('older')),
      () => journal.put('queue', 5, Buffer.from('newer')),
    );
    await journal.close();

    expect(outcomes).toEqual(['rejected', 'rejected']);
    expect(file.tables.queue.get(placeKey(5))?.toString()).toBe('newer');
  });
});
