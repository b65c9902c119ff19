import { afterEach, describe, expect, it } from '@jest/globals';
import type { BrokerOptions } from '../../lib/broker/broker.js';
import type { Store } from '../../lib/broker/store.js';
import { leave, resume } from './scenario.js';
import { promisesOfDeliveries } from './store-contract/deliveries.js';
import { promisesOfEnds } from './store-contract/ends.js';
import { promisesOfFaults } from './store-contract/faults.js';
import { promisesOfGroups } from './store-contract/groups.js';
import { promisesOfQueues } from './store-contract/queues.js';
import { promisesOfRetained } from './store-contract/retained.js';
import { promisesOfSessions } from './store-contract/sessions.js';
import { promisesOfWills } from './store-contract/wills.js';
import { startBroker, type TestBroker } from './test-broker.js';

/** Where a broker keeps things: a fresh place, in which nothing was ever kept. */
export type Place = Pick<BrokerOptions, 'router' | 'store'>;

/** Starts a broker in a fresh place; it is stopped after the test. */
export type StartInPlace = (options?: Partial<BrokerOptions>) => Promise<TestBroker>;

export interface StoreContractOptions {
  /** From now on nothing can be kept; the returned function ends that. Left out where a store cannot fail. */
  readonly fail?: (store: Store) => () => void;
  /** What the last fresh place has of sessions, as far as that can be looked at. */
  readonly kept?: () => Promise<readonly string[]>;
}

/**
 * What every Store promises to the broker that it belongs to, shown by what the broker's clients see.
 *
 * How soon a store sees that something is due is its own affair: time passes until it has.
 */
export function describeStore(name: string, make: () => Place, { fail, kept }: StoreContractOptions = {}): void {
  describe(`${name} as a Store`, () => {
    const running: TestBroker[] = [];
    afterEach(async () => {
      await Promise.all(running.splice(0).map((broker) => broker.stop()));
    });
    const start: StartInPlace = async (options) => {
      const broker = await startBroker({ ...make(), ...options });
      running.push(broker);
      return broker;
    };

    promisesOfSessions(start);
    promisesOfDeliveries(start);
    promisesOfQueues(start);
    promisesOfWills(start);
    promisesOfGroups(start);
    promisesOfRetained(start);
    promisesOfEnds(start, kept);
    if (fail) promisesOfFaults(start, fail);

    it('is closed once and for all', async () => {
      const { broker, ...node } = await start();
      await leave(await resume({ broker, ...node }, 'sub'));

      await broker.drain();
      await broker.store.close();
      await broker.store.close();

      expect(broker.connections.size).toBe(0);
    });
  });
}
