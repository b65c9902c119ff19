/**
 * Things that are due some day: sessions, wills, retained messages. By the second, so that adding, taking back and
 * finding what is due cost the same for one as for a million.
 */
export class Deadlines<T> {
  private readonly bySecond = new Map<number, Set<T>>();
  private done: number;

  /** @param now milliseconds since the epoch */
  constructor(now: number) {
    this.done = Math.floor(now / 1000);
  }

  /** @param dueAt milliseconds since the epoch; Infinity is never */
  add(item: T, dueAt: number): void {
    if (dueAt === Infinity) return;
    const second = this.secondOf(dueAt);
    const items = this.bySecond.get(second);
    if (items) items.add(item);
    else this.bySecond.set(second, new Set([item]));
  }

  /** @param dueAt as it was added */
  delete(item: T, dueAt: number): void {
    const second = this.secondOf(dueAt);
    const items = this.bySecond.get(second);
    if (items?.delete(item) && items.size === 0) this.bySecond.delete(second);
  }

  /** Takes out what is due, up to a second late. */
  takeDue(now: number): T[] {
    const due: T[] = [];
    const current = Math.floor(now / 1000);
    // After a jump of the clock there are more seconds than deadlines.
    if (current - this.done > this.bySecond.size + jumpSeconds) {
      for (const second of [...this.bySecond.keys()].sort((one, other) => one - other)) {
        if (second <= current) this.take(second, due);
      }
      this.done = current;
    }
    while (this.done < current) this.take(++this.done, due);
    return due;
  }

  private take(second: number, due: T[]): void {
    const items = this.bySecond.get(second);
    if (!items) return;
    for (const item of items) due.push(item);
    this.bySecond.delete(second);
  }

  private secondOf(dueAt: number): number {
    return Math.max(Math.ceil(dueAt / 1000), this.done + 1);
  }
}

const jumpSeconds = 60;
