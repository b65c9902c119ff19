import { isMoving, type RedisLink } from './redis-link.js';

/** One entry of a stream. */
export interface StreamEntry {
  readonly id: string;
  readonly fields: ReadonlyMap<string, Buffer>;
}

/** How far a stream has been read, and what is done with what comes. */
export interface Reading {
  readonly key: string;
  /** Id of the last entry. */
  position: string;
  /** @returns a promise when something has to be fetched before reading goes on */
  take(entry: StreamEntry): Promise<void> | undefined;
}

/**
 * Reads streams until the link is lost, each from its own position on.
 *
 * The streams are read in the order of the list; behind one that had more entries than asked for, nothing of the later
 * ones is taken: so what was written to an earlier stream first is taken first.
 */
export class RedisReader {
  /** When Redis was asked last, or answered: a reader that has waited for too long is dead. */
  private askedAt = performance.now();

  constructor(
    private readonly readings: readonly Reading[],
    private readonly blockMs: number,
  ) {}

  /** Milliseconds since the last sign of Redis, beyond what it was asked to wait. */
  get lateMs(): number {
    return performance.now() - this.askedAt - this.blockMs;
  }

  async run(link: RedisLink): Promise<void> {
    const keys = this.readings.map(({ key }) => key);
    while (link.isOpen) {
      this.askedAt = performance.now();
      const reply = await this.read(link, keys);
      if (reply) await this.takeAll(link, reply);
    }
  }

  private async read(link: RedisLink, keys: readonly string[]): Promise<Reply> {
    const positions = this.readings.map(({ position }) => position);
    try {
      return (await link.reader.callBuffer(
        ...(['xread', 'COUNT', batch, 'BLOCK', this.blockMs, 'STREAMS', ...keys, ...positions] as const),
      )) as Reply;
    } catch (error) {
      // Some of the streams are on the one server and some on the other: it goes on where it was when all are there.
      if (isMoving(error)) return null;
      throw error;
    }
  }

  private async takeAll(link: RedisLink, reply: NonNullable<Reply>): Promise<void> {
    for (const reading of this.readings) {
      const entries = reply.find(([key]) => key.toString() === reading.key)?.[1] ?? [];
      for (const [id, fields] of entries) {
        if (!link.isOpen) return;
        reading.position = id.toString();
        const fetched = reading.take({ id: reading.position, fields: toMap(fields ?? []) });
        if (fetched) await fetched;
      }
      if (entries.length === batch) return;
    }
  }
}

type Reply = readonly [key: Buffer, entries: readonly [id: Buffer, fields: readonly Buffer[] | null][]][] | null;

/** Entries of one stream that are asked for at once. */
const batch = 1000;

function toMap(fields: readonly Buffer[]): Map<string, Buffer> {
  const map = new Map<string, Buffer>();
  for (let index = 0; index + 1 < fields.length; index += 2) map.set(fields[index].toString(), fields[index + 1]);
  return map;
}
