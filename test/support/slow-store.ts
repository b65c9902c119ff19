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
