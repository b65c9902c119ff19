import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from '@jest/globals';
import { DirectRouter } from '../../lib/routers/direct.router.js';
import { LmdbStore } from '../../lib/stores/lmdb.store.js';
import { describeStore } from '../support/store-contract.js';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const freshFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'mqttd-disk-'));
  folders.push(folder);
  return folder;
};

describeStore('LmdbStore', () => ({ router: new DirectRouter(), store: new LmdbStore({ path: freshFolder() }) }));

describeStore('LmdbStore on the disk itself', () => ({
  router: new DirectRouter(),
  store: new LmdbStore({ path: freshFolder(), durability: 'fsync' }),
}));
