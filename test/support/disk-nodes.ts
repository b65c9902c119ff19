import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from '@jest/globals';
import type { BrokerOptions } from '../../lib/broker/broker.js';
import { ManualClock } from '../../lib/broker/manual-clock.js';
import { LmdbStore, type LmdbStoreOptions } from '../../lib/stores/lmdb.store.js';
import { startBroker, type TestBroker } from './test-broker.js';

/** How a broker ends, and what the next one finds. */
export const endings = ['is stopped', 'is killed'] as const;
export type Ending = (typeof endings)[number];

/** Brokers with an LmdbStore, one after the other: in a folder of each test's own. */
export interface DiskNodes {
  readonly folder: string;
  start(path?: string, options?: Partial<BrokerOptions>): Promise<TestBroker>;
  /**
   * A broker that goes on with what the other has left, when that was stopped, or as a kill at this moment would leave it.
   * @param seconds that have passed by then
   */
  startAfter(node: TestBroker, ending: Ending, options?: Partial<BrokerOptions>, seconds?: number): Promise<TestBroker>;
  stop(node: TestBroker): Promise<void>;
}

/** To be called inside of a `describe`. */
export function diskNodes(durability: LmdbStoreOptions['durability']): DiskNodes {
  let folder: string;
  const paths = new Map<TestBroker, string>();
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mqttd-disk-'));
  });
  afterEach(async () => {
    await Promise.all([...paths.keys()].map(stop));
    rmSync(folder, { recursive: true, force: true });
  });

  const start = async (path = join(folder, 'store'), options: Partial<BrokerOptions> = {}): Promise<TestBroker> => {
    const node = await startBroker({ store: new LmdbStore({ path, durability }), ...options });
    paths.set(node, path);
    return node;
  };
  const stop = async (node: TestBroker): Promise<void> => {
    paths.delete(node);
    await node.stop();
  };
  const leftBy = async (node: TestBroker, ending: Ending): Promise<string> => {
    const path = paths.get(node)!;
    if (ending === 'is stopped') {
      await stop(node);
      return path;
    }
    await node.broker.barrier.kept();
    const copy = mkdtempSync(join(folder, 'killed-'));
    cpSync(path, copy, { recursive: true });
    return copy;
  };

  return {
    get folder() {
      return folder;
    },
    start,
    stop,
    startAfter: async (node, ending, options, seconds = 0) => {
      const clock = new ManualClock(node.clock.now() + seconds * 1000);
      return start(await leftBy(node, ending), { clock, ...options });
    },
  };
}
