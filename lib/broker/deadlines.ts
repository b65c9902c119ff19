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
    for (const current = Math.floor(now / 1000); this.done < current;) {
      const items = this.bySecond.get(++this.done);
      if (!items) continue;
      due.push(...items);
      this.bySecond.delete(this.done);
    }
    return due;
  }

  private secondOf(dueAt: number): number {
    return Math.max(Math.ceil(dueAt / 1000), this.done + 1);
  }
}
