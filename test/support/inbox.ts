/** Things in the order in which they came: handlers, logs and programs put them in, a test waits for them. */
export class Inbox<T> {
  /** Everything that ever came, taken or not. */
  readonly all: T[] = [];
  private taken = 0;
  private closed: string | undefined;
  private readonly wakers = new Set<() => void>();

  constructor(private readonly timeoutMs = 5000) {}

  push(item: T): void {
    this.all.push(item);
    this.wake();
  }

  /** Nothing more will come: whoever waits fails, and is told why. */
  close(reason: string): void {
    this.closed = reason;
    this.wake();
  }

  /** The next thing that no `next` has given yet. */
  async next(): Promise<T> {
    await this.until(() => this.all.length > this.taken, 'something more');
    return this.all[this.taken++];
  }

  /** The first thing of this kind, whether it came before or comes now; `next` is not affected. */
  async find(isWanted: (item: T) => boolean): Promise<T> {
    await this.until(() => this.all.some(isWanted), String(isWanted));
    return this.all.find(isWanted)!;
  }

  private async until(isSo: () => boolean, wanted: string): Promise<void> {
    const deadline = Date.now() + this.timeoutMs;
    while (!isSo()) {
      const came = `waited for ${wanted}; so far: ${JSON.stringify(this.all.slice(-20))}`;
      if (this.closed !== undefined) throw new Error(`${this.closed}; ${came}`);
      await new Promise<void>((resolve, reject) => {
        const waker = (): void => {
          clearTimeout(timer);
          this.wakers.delete(waker);
          resolve();
        };
        const timer = setTimeout(() => reject(new Error(`timeout; ${came}`)), deadline - Date.now());
        this.wakers.add(waker);
      });
    }
  }

  private wake(): void {
    for (const waker of this.wakers) waker();
  }
}
