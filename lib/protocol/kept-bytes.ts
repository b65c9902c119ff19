import { copyBytes } from './copy-bytes.js';

/**
 * A copy of `source[start, end)` that may stay for long: retained, queued, in a will.
 *
 * Small ones share pieces of memory, as in Node's pool. But a piece is kept for as long as the last message in it, and one of
 * 8 KiB for the sake of eight bytes is memory that no bound counts: here it is at most four times what counts.
 */
export function keptBytes(source: Buffer, start = 0, end = source.length): Buffer {
  const copy = room(end - start);
  copyBytes(source, copy, 0, start, end);
  return copy;
}

function room(size: number): Buffer {
  if (size > mostShared) return Buffer.allocUnsafeSlow(size);
  if (used + size > pieceBytes) {
    piece = Buffer.allocUnsafeSlow(pieceBytes);
    used = 0;
  }
  const start = used;
  used += size;
  return piece.subarray(start, used);
}

/** A held message counts 256 bytes and more. */
const pieceBytes = 1024;
const mostShared = 256;
let piece = Buffer.alloc(0);
let used = pieceBytes;
