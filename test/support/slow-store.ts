import { Store } from '../../lib/broker/store.js';

/** Keeps nothing, and is done with a tick only when the test says so. */
export class SlowStore extends Store {
  private waiting: Promise<void> | undefined;

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

  override saveSession(): void {}
  override deleteSession(): void {}
  override saveSubscription(): void {}
  override deleteSubscription(): void {}
  override enqueue(): void {}
  override acknowledge(): void {}
  override received(): void {}
  override released(): void {}
  override retain(): void {}
}
