/** A first-in first-out queue with access by index; the room is a power of two and given back as it empties. */
export class Ring<T> {
  private items: (T | undefined)[] = [];
  private head = 0;
  private count = 0;

  get length(): number {
    return this.count;
  }

  /** The item `index` places behind the first. */
  at(index: number): T | undefined {
    return index < this.count ? this.items[(this.head + index) & (this.items.length - 1)] : undefined;
  }

  push(item: T): void {
    if (this.count === this.items.length) this.resize(Math.max(8, this.count * 2));
    this.items[(this.head + this.count) & (this.items.length - 1)] = item;
    this.count++;
  }

  shift(): T | undefined {
    if (this.count === 0) return undefined;
    const item = this.items[this.head];
    this.items[this.head] = undefined;
    this.head = (this.head + 1) & (this.items.length - 1);
    this.count--;
    if (this.items.length > 64 && this.count < this.items.length / 8) this.resize(this.items.length / 2);
    return item;
  }

  private resize(room: number): void {
    const items: (T | undefined)[] = [];
    for (let index = 0; index < room; index++) items.push(this.at(index));
    this.items = items;
    this.head = 0;
  }
}
