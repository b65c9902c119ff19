import { MemoryStore } from '../../lib/stores/memory.store.js';

/** Keeps nothing, and is done with a tick only when the test says so. */
export class SlowStore extends MemoryStore {
  private waiting: Promise<void> | undefined;

  override get isImmediate(): boolean {
    return false;
  }

  /** From now on ticks wait; the returned function lets them go on, or fail. */
  hold(): (error?: Error) => void {
    let settle: (error?: Error) => void = () => {};
    this.waiting = new Promise<void>((resolve, reject) => (settle = (error) => (error ? reject(error) : resolve())));
    return (error) => {
      this.waiting = undefined;
      settle(error);
    };
  }

  override commit(): Promise<void> | undefined {
    return this.waiting;
  }
}

/** Is done with each tick some turns of the event loop later, as a disk is; until told otherwise it fails. */
export class LateStore extends SlowStore {
  private fault: Error | undefined;

  /** From now on every tick fails; the returned function ends that. */
  fail(): () => void {
    this.fault = new Error('no space left');
    return () => (this.fault = undefined);
  }

  override async commit(): Promise<void> {
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    if (this.fault) throw this.fault;
  }
}
