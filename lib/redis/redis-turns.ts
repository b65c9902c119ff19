/**
 * The order of commands in a Redis Cluster.
 *
 * A single server takes commands as they are sent. In a Cluster one that finds its slot moved is sent again, behind those
 * that went to the new server at once. So what has an order waits there until what was sent under the same key before is
 * answered. A single server does not make anybody wait.
 *
 * Where one fails, those that wait behind it fail with it: they must not come before it when it is sent again.
 */
export class RedisTurns {
  /** Bytes of `together` that wait. */
  waitingBytes = 0;
  /** The last of what is under way or waits. */
  private readonly last = new Map<string, Promise<unknown>>();
  private readonly waiting = new Map<string, { readonly parts: Buffer[]; readonly sent: Promise<unknown> }>();

  constructor(private readonly isCluster: boolean) {}

  inOrder<T>(key: string, send: () => Promise<T>): Promise<T> {
    if (!this.isCluster) return send();
    const before = this.last.get(key);
    const sent = before ? before.then(send) : send();
    this.last.set(key, sent);
    const leave = () => {
      if (this.last.get(key) === sent) this.last.delete(key);
    };
    sent.then(leave, leave);
    return sent;
  }

  /** In order as well; what has to wait under a key goes as one, by the `send` of the first. */
  together<T>(key: string, parts: readonly Buffer[], send: (parts: readonly Buffer[]) => Promise<T>): Promise<T> {
    if (!this.last.has(key)) return this.inOrder(key, () => send(parts));
    this.waitingBytes += sizeOf(parts);
    const known = this.waiting.get(key);
    if (known) {
      known.parts.push(...parts);
      return known.sent as Promise<T>;
    }
    const all = [...parts];
    const sent = this.inOrder(key, () => {
      this.waiting.delete(key);
      this.waitingBytes -= sizeOf(all);
      return send(all);
    });
    this.waiting.set(key, { parts: all, sent });
    return sent;
  }
}

const sizeOf = (parts: readonly Buffer[]): number => parts.reduce((sum, { length }) => sum + length, 0);
