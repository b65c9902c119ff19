import type { RedisLink } from './redis-link.js';
import { redisScript } from './redis-scripts.js';

/** A change of one field, with what the writer wants the others to know of it. */
export interface HashChange {
  readonly field: string;
  readonly record: Buffer;
  /** The field is deleted; the record is told all the same. */
  readonly isRemoval: boolean;
  /** The node that wrote it. */
  readonly node: string;
  readonly notes: readonly string[];
}

/**
 * A hash that every node has in memory as a whole, a log of its changes, and the number of the last one.
 *
 * One script writes all three, so the log's order is the hash's: the last writer wins on every node. A node has its own
 * change at once, and until it reads that in the log it passes over what others wrote to the field before (`isOurs`).
 */
export class ReplicatedHash {
  /** Number of the last change that was read. */
  private version = 0;
  /** Own changes that are written or being written, and not yet read in the log. */
  private readonly pending = new Map<string, number>();
  private caughtUp: { version: number; resolve: () => void }[] = [];

  constructor(
    private readonly node: string,
    private readonly keys: { readonly hash: string; readonly log: string; readonly version: string },
    private readonly logEntries: number,
  ) {}

  /** Whether a change of this node is on its way that is later than what others have written. */
  isOurs(field: string): boolean {
    return this.pending.has(field);
  }

  /** @param expected the change is made only where the field has this record */
  async write(link: RedisLink, change: Omit<HashChange, 'node'>, expected: Buffer = nothing): Promise<void> {
    const { field, record, isRemoval, notes } = change;
    this.pending.set(field, (this.pending.get(field) ?? 0) + 1);
    const { hash, log, version } = this.keys;
    const values = [field, record, JSON.stringify([this.node, ...notes]), this.logEntries, isRemoval ? 1 : 0, expected];
    try {
      const keys = [hash, log, version];
      const number = await link.turns.inOrder(`${hash} ${field}`, () => link.run(writeScript, keys, values));
      // There is no entry of the log to wait for.
      if (number === 0) this.settle(field);
    } catch (error) {
      this.settle(field);
      throw error;
    }
  }

  /** Redis was away: whatever was written before is in the hash by now, or never will be. */
  forgetPending(): void {
    this.pending.clear();
  }

  /** Whether anything was ever written, as far as this Redis knows. */
  async exists(link: RedisLink): Promise<boolean> {
    return (await link.commands.exists(this.keys.version)) === 1;
  }

  /** Reads everything; what the log says from here on is later. */
  async readAll(link: RedisLink, take: (field: string, value: Buffer) => void | Promise<void>): Promise<void> {
    this.version = await this.lastVersion(link);
    let cursor = '0';
    do {
      const [next, entries] = await link.commands.hscanBuffer(this.keys.hash, cursor, 'COUNT', 1000);
      cursor = next.toString();
      for (let index = 0; index + 1 < entries.length; index += 2) {
        await take(entries[index].toString(), entries[index + 1]);
      }
    } while (cursor !== '0');
    this.wakeWaiting();
  }

  /**
   * An entry of the log.
   * @returns the change, with `isApplied` where this node has it already
   * @throws Error when changes are missing: everything has to be read again
   */
  hear(fields: ReadonlyMap<string, Buffer>): { readonly change: HashChange; readonly isApplied: boolean } {
    const version = Number(fields.get('v'));
    const [node, ...notes] = JSON.parse(String(fields.get('n'))) as string[];
    const field = fields.get('k')!.toString();
    const isRemoval = fields.get('d')!.toString() === '1';
    const change = { field, record: fields.get('r')!, isRemoval, node, notes };
    if (node === this.node) this.settle(field);
    // Read already, with all the others.
    if (version <= this.version) return { change, isApplied: true };
    if (version !== this.version + 1) throw new MissingChangesError();
    this.version = version;
    this.wakeWaiting();
    return { change, isApplied: node === this.node };
  }

  /** Resolves when everything that was written before this call has been read. */
  async catchUp(link: RedisLink): Promise<void> {
    const version = await this.lastVersion(link);
    if (this.version >= version) return;
    const failed = link.lost.then((error) => {
      throw error;
    });
    await Promise.race([new Promise<void>((resolve) => this.caughtUp.push({ version, resolve })), failed]);
  }

  private async lastVersion(link: RedisLink): Promise<number> {
    return Number((await link.commands.get(this.keys.version)) ?? 0);
  }

  private wakeWaiting(): void {
    if (this.caughtUp.length === 0) return;
    const isThere = ({ version }: { version: number }) => version <= this.version;
    for (const { resolve } of this.caughtUp.filter(isThere)) resolve();
    this.caughtUp = this.caughtUp.filter((waiting) => !isThere(waiting));
  }

  private settle(field: string): void {
    const left = (this.pending.get(field) ?? 0) - 1;
    if (left > 0) this.pending.set(field, left);
    else this.pending.delete(field);
  }
}

/** The log has been trimmed beyond what this node had read. */
export class MissingChangesError extends Error {
  override readonly name = 'MissingChangesError';

  constructor() {
    super('a log has a gap');
  }
}

const nothing = Buffer.alloc(0);

/** Answers the number of the change; 0 where the field was not as expected. */
const writeScript = redisScript<number>(`
if ARGV[6] ~= '' and redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[6] then return 0 end
local version = redis.call('INCR', KEYS[3])
if ARGV[5] == '1' then redis.call('HDEL', KEYS[1], ARGV[1]) else redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*',
  'v', version, 'n', ARGV[3], 'k', ARGV[1], 'd', ARGV[5], 'r', ARGV[2])
return version`);
