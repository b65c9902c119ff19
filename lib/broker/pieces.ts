import { copyBytes } from '../protocol/copy-bytes.js';
import type { Frame } from './message.js';

/**
 * What one outbox writes at the end of a tick: where the bytes lie, and what is written over them.
 *
 * Neighbouring frames of one received chunk join into one run, so that what one publisher sends to one subscriber is copied
 * in one go, or written as it came where nothing differs. First byte and packet identifier, which do differ, are patches:
 * three numbers each. Plain acknowledgements are frames of one endless row of them, and join into runs like others.
 *
 * Pieces are taken for a tick and given back: connections that have nothing to write hold none, and those of the busy ones are warm.
 */
export class Pieces {
  byteLength = 0;
  private runs: (Buffer | undefined)[] = [];
  /** Per run its start and its end. */
  private bounds = new Int32Array(2 * 8);
  private count = 0;
  /** Per patch the place of the first byte, that of the packet identifier (0: none), and both values. */
  private patches = new Int32Array(3 * 32);
  private patched = 0;

  static take(): Pieces {
    return spare.pop() ?? new Pieces();
  }

  /** Empties it, for the next one who needs one. */
  giveBack(): void {
    for (let run = 0; run < this.count; run++) this.runs[run] = undefined;
    this.byteLength = this.count = this.patched = 0;
    const numbers = this.bounds.length + this.patches.length;
    if (spare.length < keptSpare && numbers <= keptNumbers) spare.push(this);
  }

  /** `bytes[start, end)`, behind what is there. */
  add(bytes: Buffer, start: number, end: number): void {
    const { bounds, runs, count } = this;
    this.byteLength += end - start;
    if (count > 0 && bounds[count * 2 - 1] === start && runs[count - 1] === bytes) {
      bounds[count * 2 - 1] = end;
      return;
    }
    if (count * 2 === bounds.length) this.bounds = doubled(bounds);
    runs[count] = bytes;
    this.bounds[count * 2] = start;
    this.bounds[count * 2 + 1] = end;
    this.count = count + 1;
  }

  /** A frame with another first byte. */
  addPatched({ bytes, start, end }: Frame, firstByte: number): void {
    this.patch(this.byteLength, 0, firstByte << 16);
    this.add(bytes, start, end);
  }

  /** A frame with a packet identifier of this client. */
  addIdentified({ bytes, start, end, packetIdAt }: Frame, firstByte: number, packetId: number): void {
    const at = this.byteLength;
    this.patch(at, at + packetIdAt - start, (firstByte << 16) | packetId);
    this.add(bytes, start, end);
  }

  /** A packet that is only header and packet identifier. */
  addAcknowledgement(firstByte: number, packetId: number): void {
    const { byteLength: at, count } = this;
    this.patch(at, at + 2, (firstByte << 16) | packetId);
    const end = count > 0 && this.runs[count - 1] === acknowledgements ? this.bounds[count * 2 - 1] : 0;
    const start = end === acknowledgements.length ? 0 : end;
    this.add(acknowledgements, start, start + 4);
  }

  /** The only run as it lies, where nothing is written over it. */
  get single(): Buffer | undefined {
    if (this.count !== 1 || this.patched !== 0) return undefined;
    return this.runs[0]!.subarray(this.bounds[0], this.bounds[1]);
  }

  /** Puts everything into the first `byteLength` bytes of `target`. */
  copyTo(target: Buffer): void {
    const { runs, bounds, count, patches, patched } = this;
    let at = 0;
    for (let run = 0; run < count; run++) {
      const start = bounds[run * 2];
      const end = bounds[run * 2 + 1];
      copyBytes(runs[run]!, target, at, start, end);
      at += end - start;
    }
    for (let patch = 0; patch < patched; patch += 3) {
      const packetIdAt = patches[patch + 1];
      const values = patches[patch + 2];
      target[patches[patch]] = values >>> 16;
      if (packetIdAt !== 0) {
        target[packetIdAt] = (values >>> 8) & 0xff;
        target[packetIdAt + 1] = values & 0xff;
      }
    }
  }

  private patch(firstByteAt: number, packetIdAt: number, values: number): void {
    const at = this.patched;
    if (at === this.patches.length) this.patches = doubled(this.patches);
    const { patches } = this;
    patches[at] = firstByteAt;
    patches[at + 1] = packetIdAt;
    patches[at + 2] = values;
    this.patched = at + 3;
  }
}

function doubled(numbers: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const more = new Int32Array(numbers.length * 2);
  more.set(numbers);
  return more;
}

/** Remaining Length 2, over and over. */
const acknowledgements = Buffer.alloc(4 * 1024, Buffer.from([0x40, 2, 0, 0]));
const spare: Pieces[] = [];
/** How many are kept, and the most numbers that one may have for its runs and patches. */
const keptSpare = 1024;
const keptNumbers = 5 * 4096;
