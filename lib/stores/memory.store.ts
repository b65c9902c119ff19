import { Store } from '../broker/store.js';

/** Keeps nothing beyond the process: what the broker holds in memory is all there is, so nothing is waited for. */
export class MemoryStore extends Store {
  override get isImmediate(): boolean {
    return true;
  }

  override saveSession(): void {}
  override deleteSession(): void {}
  override saveSubscription(): void {}
  override deleteSubscription(): void {}
  override enqueue(): number {
    return 0;
  }
  override acknowledge(): void {}
  override handedOver(): void {}
  override received(): void {}
  override released(): void {}
  override retain(): void {}
}
