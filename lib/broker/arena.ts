import { copyBytes } from '../protocol/copy-bytes.js';

/**
 * Memory that many reads share, one behind the other. A buffer for each read would cost more than the bytes in it: a third of
 * the messages per CPU-second at QoS 0, and pauses of more than a millisecond when V8 collects them.
 *
 * Who holds a view keeps all of a piece alive: what stays is copied (`Loans`, `Message.keep`).
 */
export class Arena {
  /** What was added last lies in it. */
  bytes: Buffer = Buffer.alloc(0);
  private used = 0;

  /**
   * Copies the first `length` bytes of `source`, at most `pieceBytes`.
   * @returns where they begin in `bytes`
   */
  add(source: Buffer, length: number): number {
    if (this.used + length > this.bytes.length) {
      this.bytes = Buffer.allocUnsafeSlow(pieceBytes);
      this.used = 0;
    }
    const start = this.used;
    this.used += length;
    copyBytes(source, this.bytes, start, 0, length);
    return start;
  }
}

/** As much as one read may bring. */
export const pieceBytes = 65_536;
