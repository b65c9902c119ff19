import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { open, type Database } from 'lmdb';
import { diskNodes } from '../support/disk-nodes.js';
import { publishWhole } from '../support/exchanges.js';
import { payloadsOf, publishKept, readAll, resume } from '../support/scenario.js';

describe.each(['commit', 'fsync'] as const)('a broker with an LmdbStore (%s)', (durability) => {
  const nodes = diskNodes(durability);
  const { start, stop } = nodes;

  /** Opens the file that no broker has open, as another program would. */
  const editTable = async (name: string, edit: (table: Database<Buffer, Buffer>) => unknown): Promise<void> => {
    const inBytes = { encoding: 'binary', keyEncoding: 'binary' } as const;
    const root = open<Buffer, Buffer>(join(nodes.folder, 'store'), { ...inBytes, maxDbs: 9 });
    edit(root.openDB<Buffer, Buffer>(name, inBytes));
    await root.close();
  };

  describe('does not start', () => {
    it('with a folder that another broker has open', async () => {
      await start();
      await expect(start()).rejects.toThrow(
        `store.path: '${join(nodes.folder, 'store')}' is in use by process ${process.pid}, this one; stop that, or name another folder`,
      );
    });

    it('with a record that is damaged, and changes nothing then', async () => {
      const node = await start();
      const will = { topic: 'will', payload: Buffer.from('gone'), qos: 1, retain: false } as const;
      const properties = { sessionExpiryInterval: 3600 };
      const client = await node.client(5, { clientId: 'sub', cleanStart: false, properties, will });
      await client.subscribe('a', { qos: 1 });
      const publisher = await node.client();
      for (const payload of ['1', '2']) await publishWhole(publisher, 'a', { payload, qos: 1 });
      await stop(node);
      const damaged = Buffer.from('damaged');
      await editTable('retained', (table) => table.putSync(damaged, Buffer.from('no message at all')));

      const before = readFileSync(join(nodes.folder, 'store/data.mdb'));

      await expect(start()).rejects.toThrow(/^store\.path: '.*' is damaged \(.+\); put back a copy of it/);

      expect(readFileSync(join(nodes.folder, 'store/data.mdb')).equals(before)).toBe(true);
      await editTable('retained', (table) => table.removeSync(damaged));
      const next = await start();
      const witness = await next.client();
      await witness.subscribe('will', { qos: 1 });
      next.clock.advance(5);
      // The stop is noted still: the will waits for the end of its session.
      await witness.expectNothing();
      expect(payloadsOf(await readAll(await resume(next, 'sub')))).toEqual(['1', '2']);
    });

    it.each<[string, string, () => Promise<unknown>]>([
      [
        'of another program',
        'has an LMDB file (data.mdb) that is not of this broker; name another folder',
        () => editTable('users', (table) => table.putSync(Buffer.from('bob'), Buffer.from('hello'))),
      ],
      [
        'of another version',
        'was written in version 1 of its layout, this is 2; name another folder',
        () => editTable('meta', (table) => table.putSync(Buffer.from('version'), Buffer.from('1'))),
      ],
    ])('with a file %s, which stays as it is', async (_title, reason, make) => {
      const path = join(nodes.folder, 'store');
      await make();
      const before = readFileSync(join(path, 'data.mdb'));

      await expect(start()).rejects.toThrow(`store.path: '${path}' ${reason}`);

      expect(readFileSync(join(path, 'data.mdb')).equals(before)).toBe(true);
      // It is open no more, and not taken for ours the next time.
      await expect(start()).rejects.toThrow(reason);
    });

    it.each<[string, (bytes: Buffer) => Buffer]>([
      ['that is something else', () => Buffer.alloc(100_000, 'not a store ')],
      ['that is cut off', (bytes) => bytes.subarray(0, 8192)],
    ])('with a file %s', async (_title, damage) => {
      const node = await start();
      const publisher = await node.client();
      for (let number = 0; number < 200; number++)
        await publishKept(publisher, `topic/${number}`, { retain: true, payload: 'x'.repeat(500) });
      await stop(node);
      const file = join(nodes.folder, 'store/data.mdb');
      writeFileSync(file, damage(readFileSync(file)));

      await expect(start()).rejects.toThrow(/^store\.path: '.*' (cannot be opened|is damaged) \(.+\); /);
    });
  });
});
