import type { Duplex } from 'node:stream';
import { expect, it } from '@jest/globals';
import { AllowAllAuth } from '../../lib/auth/allow-all.auth.js';
import { Broker } from '../../lib/broker/broker.js';
import type { Peer } from '../../lib/broker/client.js';
import { Listener } from '../../lib/broker/listener.js';
import { DirectRouter } from '../../lib/routers/direct.router.js';
import { MemoryStore } from '../../lib/stores/memory.store.js';
import { Inbox } from '../support/inbox.js';
import { ManualClock } from '../../lib/broker/manual-clock.js';
import { describeInMemory } from '../support/scenario.js';
import { SlowStore } from '../support/slow-store.js';

/** Something that is opened only when the test says so. */
class Gate {
  readonly asked = new Inbox<string>();
  open!: () => void;
  private readonly opened = new Promise<void>((resolve) => (this.open = resolve));

  pass(name: string): Promise<void> {
    this.asked.push(name);
    return this.opened;
  }
}

class SlowListener extends Listener {
  isOpen = false;

  constructor(
    override readonly name: string,
    private readonly gate: Gate | undefined,
  ) {
    super();
  }

  override async open(_accept: (stream: Duplex, peer: Peer) => void): Promise<void> {
    await this.gate?.pass(this.name);
    this.isOpen = true;
  }

  override async close(): Promise<void> {
    this.isOpen = false;
  }
}

class SlowlyOpenedStore extends MemoryStore {
  isOpen = false;

  constructor(private readonly gate: Gate | undefined) {
    super();
  }

  override async open(): Promise<void> {
    await this.gate?.pass('store');
    this.isOpen = true;
  }

  override async close(): Promise<void> {
    this.isOpen = false;
  }
}

class FailingStore extends SlowStore {
  isBroken = false;

  override commit(): Promise<void> | undefined {
    return this.isBroken ? Promise.reject(new Error('disk full')) : undefined;
  }
}

describeInMemory('a shutdown', (start) => {
  it.each(['store', 'first', 'second'])(
    '[A46] that comes while the broker starts, at its %s, leaves nothing open',
    async (slow) => {
      const gate = new Gate();
      const gateOf = (name: string) => (name === slow ? gate : undefined);
      const listeners = ['first', 'second'].map((name) => new SlowListener(name, gateOf(name)));
      const store = new SlowlyOpenedStore(gateOf('store'));
      const clock = new ManualClock();
      const log = { log() {}, warn() {}, error() {}, debug() {} };
      const broker = new Broker({
        listeners,
        auth: new AllowAllAuth(),
        router: new DirectRouter(),
        store,
        log,
        clock,
      });
      const started = broker.start().then(
        () => 'started',
        (error: unknown) => String(error),
      );
      await gate.asked.next();

      await broker.drain();
      gate.open();

      expect(await started).toBe('Error: the broker was stopped before it had started');
      expect(listeners.filter(({ isOpen }) => isOpen)).toEqual([]);
      expect(store.isOpen).toBe(false);
      expect(clock['tasks'].size).toBe(0);
    },
  );

  it('[A48] goes on when the last commit fails, and says so', async () => {
    const store = new FailingStore();
    const broker = await start({ store });
    await broker.client();
    store.isBroken = true;

    await broker.broker.drain();

    expect(broker.logged).toContain('error the last changes could not be kept Error: disk full');
    expect(broker.broker.connections.size).toBe(0);
    expect(broker.clock['tasks'].size).toBe(0);
    store.isBroken = false;
  });
});
