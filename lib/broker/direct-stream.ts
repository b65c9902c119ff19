import type { Duplex } from 'node:stream';

/** The function of a DirectStream that gets what it reads: set by who uses the stream. */
export const take = Symbol('take');

/**
 * A stream that gives what it reads to one function, once that is set, and not to who listens for `data`: in memory that the
 * next read of whichever stream overwrites.
 */
export interface DirectStream extends Duplex {
  /** `bytes[0, length)` may be used until it returns. */
  [take]: ((bytes: Buffer, length: number) => void) | undefined;
}

/** Not one of which somebody has read, and given back what was not his. */
export const isDirect = (stream: Duplex): stream is DirectStream => take in stream && stream.readableLength === 0;
