import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { PacketType } from '../protocol/packets.js';
import type { Barrier } from './barrier.js';
import type { Frame } from './message.js';
import { Pieces } from './pieces.js';

/**
 * What is to be written to one connection: pieces are staged during the tick and written by one `write` at its end.
 *
 * A system call costs as much as staging twenty frames. What cannot be written as it lies is copied once, into a buffer that
 * all outboxes share.
 */
export class Outbox {
  private pieces: Pieces | undefined = undefined;
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
    const staged = this.pieces === undefined ? 0 : this.pieces.byteLength;
    if (staged + this.unsentBytes <= this.limitBytes) return true;
    this.wasFull = true;
    return false;
  }

  /**
   * Stages a whole packet as it is. Nothing is written before the CONNACK but AUTH packets, and what was staged for the
   * session meanwhile follows it ([MQTT-3.2.0-1]).
   */
  packet(bytes: Buffer): void {
    if (this.isOpen) {
      const pieces = this.staging();
      pieces.add(bytes, 0, bytes.length);
      this.flushMuch(pieces);
      return;
    }
    if (!this.stream.destroyed) this.stream.write(bytes);
    this.isOpen = bytes[0] >> 4 !== PacketType.AUTH;
    if (this.pieces) this.barrier.enlist(this);
  }

  /** Stages a packet that is only header and packet identifier, such as a plain PUBACK. */
  acknowledge(firstByte: number, packetId: number): void {
    const pieces = this.staging();
    pieces.addAcknowledgement(firstByte, packetId);
    this.flushMuch(pieces);
  }

  /** Stages a PUBLISH at QoS 0. */
  publish(frame: Frame, firstByte: number): void {
    const pieces = this.staging();
    if (frame.bytes[frame.start] === firstByte) pieces.add(frame.bytes, frame.start, frame.end);
    else pieces.addPatched(frame, firstByte);
    this.flushMuch(pieces);
  }

  /** Stages a PUBLISH at QoS 1 or 2. */
  publishIdentified(frame: Frame, firstByte: number, packetId: number): void {
    const pieces = this.staging();
    pieces.addIdentified(frame, firstByte, packetId);
    this.flushMuch(pieces);
  }

  /** Writes what is staged. */
  flush(): void {
    const { pieces, stream } = this;
    if (pieces === undefined || !this.isOpen) return;
    this.pieces = undefined;
    if (stream.destroyed || stream.writableEnded) {
      pieces.giveBack();
      return;
    }
    const isIdle = stream.writableLength === 0;
    const bytes = inPlace(pieces) ?? assemble(pieces, isIdle && this.writesThrough);
    pieces.giveBack();
    stream.write(bytes);
    // The socket is not done with the shared buffer: it keeps this one, the next flush takes another.
    if (stream.writableLength > 0 && bytes.buffer === shared.buffer) shared = Buffer.allocUnsafeSlow(sharedSize);
    this.noteUnsent();
  }

  private staging(): Pieces {
    if (this.pieces !== undefined) return this.pieces;
    this.barrier.enlist(this);
    return (this.pieces = Pieces.take());
  }

  private flushMuch({ byteLength }: Pieces): void {
    if (byteLength >= flushBytes) this.flush();
  }

  private noteUnsent(): void {
    this.unsentBytes = this.stream.writableLength;
    if (!this.wasFull || this.unsentBytes > this.limitBytes) return;
    this.wasFull = false;
    this.onRoom();
  }
}

/** What is staged where it lies, unless a peer that reads slowly would keep much more alive by it. */
function inPlace({ single }: Pieces): Buffer | undefined {
  return single !== undefined && single.buffer.byteLength <= Math.max(sharedSize, single.length * 4)
    ? single
    : undefined;
}

function assemble(pieces: Pieces, mayShare: boolean): Buffer {
  const { byteLength } = pieces;
  const isShared = mayShare && byteLength <= sharedSize;
  const target = isShared ? shared : Buffer.allocUnsafe(byteLength);
  pieces.copyTo(target);
  return isShared ? target.subarray(0, byteLength) : target;
}

/** Staged bytes that are written without waiting for the end of the tick. */
const flushBytes = 49_152;
/** A peer that does not take all of it keeps it until it does. */
const sharedSize = 65_536;
let shared = Buffer.allocUnsafeSlow(sharedSize);
