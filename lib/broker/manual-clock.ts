import type { Clock } from './clock.js';

/** A clock that moves only when it is told to. */
export class ManualClock implements Clock {
  private readonly tasks = new Set<{ intervalMs: number; dueAt: number; task: () => void }>();

  /** @param time milliseconds since the epoch */
  constructor(private time = 1_700_000_000_000) {}

  now(): number {
    return this.time;
  }

  every(intervalMs: number, task: () => void): () => void {
    const entry = { intervalMs, dueAt: this.time + intervalMs, task };
    this.tasks.add(entry);
    return () => this.tasks.delete(entry);
  }

  /** Lets `seconds` pass; every task runs as often as it is due, in order; after hours less often, as after a sleep. */
  advance(seconds: number): void {
    const end = this.time + seconds * 1000;
    const stride = Math.ceil(seconds / 10_000);
    for (;;) {
      const next = [...this.tasks].sort((one, other) => one.dueAt - other.dueAt)[0];
      if (!next || next.dueAt > end) break;
      this.time = next.dueAt;
      next.dueAt += next.intervalMs * stride;
      next.task();
    }
    this.time = end;
  }
}
