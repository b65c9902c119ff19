import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { PacketType } from '../protocol/packets.js';
import type { Barrier } from './barrier.js';
import { copyBytes } from './copy-bytes.js';
import type { Frame } from './message.js';

/**
 * What is to be written to one connection: pieces are staged during the tick and written by one `write` at its end.
 *
 * A system call costs as much as staging twenty frames. Neighbouring slices of one received chunk join into one piece,
 * so what one publisher sends to one subscriber goes through as it came; everything else is copied once, into a buffer
 * that all outboxes share, while first byte and packet identifier are patched.
 */
export class Outbox {
  /** Per piece the bytes it is in, or undefined for a packet of two bytes behind its header. */
  private buffers: (Buffer | undefined)[] = [];
  /** Per piece four numbers: start, end, where the packet identifier stands, patch. */
  private numbers: number[] = [];
  private count = 0;
  private stagedBytes = 0;
  private unsentBytes = 0;
  private isOpen = false;
  /** Somebody was told that there is no room. */
  private wasFull = false;
  /** Whether a finished `write` leaves nothing behind that still reads the buffer: so it is with plain sockets. */
  private readonly writesThrough: boolean;

  constructor(
    private readonly stream: Duplex,
    private readonly barrier: Barrier,
    private readonly limitBytes: number,
    private readonly onRoom: () => void,
  ) {
    this.writesThrough = stream instanceof Socket && !(stream instanceof TLSSocket);
    stream.on('drain', () => this.noteUnsent());
  }

  /** Whether the peer keeps up: false when more bytes wait for it than may; `onRoom` is called when it has caught up. */
  hasRoom(): boolean {
    if (this.stagedBytes + this.unsentBytes <= this.limitBytes) return true;
    this.wasFull = true;
    return false;
  }

  /**
   * Stages a whole packet as it is. Nothing is written before the CONNACK but AUTH packets, and what was staged for the
   * session meanwhile follows it ([MQTT-3.2.0-1]).
   */
  packet(bytes: Buffer): void {
    if (this.isOpen) {
      this.stage(bytes, 0, bytes.length, 0, 0);
      return;
    }
    if (!this.stream.destroyed) this.stream.write(bytes);
    this.isOpen = bytes[0] >> 4 !== PacketType.AUTH;
    if (this.count > 0) this.barrier.enlist(this);
  }

  /** Stages a packet that is only header and packet identifier, such as a plain PUBACK. */
  acknowledge(firstByte: number, packetId: number): void {
    this.stage(undefined, 0, 4, 0, (firstByte << 16) | packetId);
  }

  /** Stages a PUBLISH at QoS 0. */
  publish({ bytes, start, end }: Frame, firstByte: number): void {
    if (bytes[start] !== firstByte) {
      this.stage(bytes, start, end, 0, firstByte << 16);
      return;
    }
    const last = this.count - 1;
    if (last >= 0 && this.buffers[last] === bytes) {
      const { numbers } = this;
      if (numbers[last * 4 + 1] === start && numbers[last * 4 + 3] === 0) {
        numbers[last * 4 + 1] = end;
        this.grow(end - start);
        return;
      }
    }
    this.stage(bytes, start, end, 0, 0);
  }

  /** Stages a PUBLISH at QoS 1 or 2. */
  publishIdentified(frame: Frame, firstByte: number, packetId: number): void {
    this.stage(frame.bytes, frame.start, frame.end, frame.packetIdAt, (firstByte << 16) | packetId);
  }

  /** Writes what is staged. */
  flush(): void {
    if (this.count === 0 || !this.isOpen) return;
    const { stream } = this;
    if (stream.destroyed || stream.writableEnded) {
      this.clear();
      return;
    }
    const isIdle = stream.writableLength === 0;
    const bytes = this.single(isIdle) ?? this.assemble(isIdle && this.writesThrough);
    this.clear();
    stream.write(bytes);
    // The socket is not done with the shared buffer: it keeps this one, the next flush takes another.
    if (stream.writableLength > 0 && bytes.buffer === shared.buffer) shared = Buffer.allocUnsafeSlow(sharedSize);
    this.noteUnsent();
  }

  private noteUnsent(): void {
    this.unsentBytes = this.stream.writableLength;
    if (!this.wasFull || this.unsentBytes > this.limitBytes) return;
    this.wasFull = false;
    this.onRoom();
  }

  private stage(bytes: Buffer | undefined, start: number, end: number, packetIdAt: number, patch: number): void {
    const { numbers, count } = this;
    const at = count * 4;
    this.buffers[count] = bytes;
    numbers[at] = start;
    numbers[at + 1] = end;
    numbers[at + 2] = packetIdAt;
    numbers[at + 3] = patch;
    this.count = count + 1;
    if (count === 0) this.barrier.enlist(this);
    this.grow(end - start);
  }

  private grow(bytes: number): void {
    this.stagedBytes += bytes;
    if (this.stagedBytes >= flushBytes) this.flush();
  }

  /** A single unpatched piece can be written where it lies, unless a slow peer would keep a large chunk alive by it. */
  private single(isIdle: boolean): Buffer | undefined {
    if (this.count !== 1 || this.numbers[3] !== 0 || !isIdle) return undefined;
    return this.buffers[0]!.subarray(this.numbers[0], this.numbers[1]);
  }

  private assemble(mayShare: boolean): Buffer {
    const { buffers, numbers, count, stagedBytes } = this;
    const target = mayShare && stagedBytes <= sharedSize ? shared : Buffer.allocUnsafe(stagedBytes);
    let at = 0;
    for (let piece = 0; piece < count; piece++) {
      const bytes = buffers[piece];
      const patch = numbers[piece * 4 + 3];
      if (bytes === undefined) {
        target[at++] = patch >>> 16;
        target[at++] = 2;
        target[at++] = (patch >>> 8) & 0xff;
        target[at++] = patch & 0xff;
        continue;
      }
      const start = numbers[piece * 4];
      const end = numbers[piece * 4 + 1];
      copyBytes(bytes, target, at, start, end);
      if (patch !== 0) {
        target[at] = patch >>> 16;
        const packetIdAt = numbers[piece * 4 + 2];
        if (packetIdAt !== 0) {
          target[at + packetIdAt - start] = (patch >>> 8) & 0xff;
          target[at + packetIdAt - start + 1] = patch & 0xff;
        }
      }
      at += end - start;
    }
    return target.subarray(0, at);
  }

  private clear(): void {
    const { count } = this;
    this.count = 0;
    this.stagedBytes = 0;
    if (count > keptPieces) {
      this.buffers = [];
      this.numbers = [];
    } else {
      for (let piece = 0; piece < count; piece++) this.buffers[piece] = undefined;
    }
  }
}

/** Staged bytes that are written without waiting for the end of the tick. */
const flushBytes = 131_072;
const sharedSize = 262_144;
let shared = Buffer.allocUnsafeSlow(sharedSize);
/** Room for pieces that an outbox keeps between ticks. */
const keptPieces = 64;
