import { keptBytes } from './kept-bytes.js';
import { ByteReader } from './byte-reader.js';
import { decodeConnect, decodeProtocolVersion } from './connect-body.js';
import { MqttError, malformed } from './mqtt-error.js';
import { decodeBody, decodePlainAcknowledgement } from './packet-bodies.js';
import {
  PacketType,
  isAcknowledgement,
  packetName,
  prescribedFlags,
  type Packet,
  type ProtocolVersion,
} from './packets.js';
import { ReasonCode } from './reason-codes.js';
import { decodePublish } from './received-publish.js';
import { SeenTopics } from './seen-topics.js';

export interface PacketDecoderOptions {
  /** Bytes of the largest packet, fixed header included (MQTT 5, 3.1.2.11.4). */
  maximumPacketSize: number;
  /** Known from the start on the client's side; absent, the first packet must be a CONNECT, which tells. */
  protocolVersion?: ProtocolVersion;
  /** Shared by the decoders of one broker. */
  seenTopics?: SeenTopics;
}

/**
 * Splits received bytes into packets; one per connection.
 *
 * `push(chunk)`, then `next()` until it gives undefined. Packets are decoded in place: payloads and binary
 * properties are views into the pushed chunk, copy what you keep. Only an unfinished tail is copied, into a buffer
 * that grows with the bytes that really came, whatever length the peer announced.
 * @throws MqttError from `next()`; the decoder is unusable afterwards
 */
export class PacketDecoder {
  maximumPacketSize: number;
  protocolVersion: ProtocolVersion | undefined;
  readonly seenTopics: SeenTopics;
  readonly reader = new ByteReader();
  /** What is left to decode is `chunk[position, end)`. */
  private chunk: Buffer = empty;
  private position = 0;
  private end = 0;
  /** The unfinished packet at the end of the chunks so far. */
  private tail: Buffer = empty;
  private tailLength = 0;
  /** Bytes of the whole packet; 0 as long as its header is not complete. */
  private tailSize = 0;

  constructor(options: PacketDecoderOptions) {
    this.maximumPacketSize = options.maximumPacketSize;
    this.protocolVersion = options.protocolVersion;
    this.seenTopics = options.seenTopics ?? new SeenTopics();
  }

  /** Hands over `chunk[start, end)`, as it was received; what was pushed before must have been drained by `next()`. */
  push(chunk: Buffer, start = 0, end = chunk.length): void {
    this.chunk = chunk;
    this.position = start;
    this.end = end;
  }

  /** Bytes, as far as known, that complete a packet of which the beginning is here: so many are copied out of what is pushed. */
  get missing(): number {
    return this.tailSize === 0 ? 0 : this.tailSize - this.tailLength;
  }

  /** Copies what was pushed and is not drained: its memory may be used for other bytes from now on. */
  keep(): void {
    if (this.position < this.end) this.push(keptBytes(this.chunk, this.position, this.end));
  }

  /** The next complete packet, or undefined when more bytes are needed. */
  next(): Packet | undefined {
    if (this.tailLength > 0) return this.nextFromTail();
    const { chunk, position, end } = this;
    if (position >= end) return this.drained();
    const size = this.packetSize(chunk, position, end);
    if (size === 0 || position + size > end) {
      this.keepTail(end - position, size);
      return this.drained();
    }
    this.position = position + size;
    return this.decode(chunk, position, position + size);
  }

  /** Completes the packet that began in an earlier chunk; only its own bytes are copied out of this one. */
  private nextFromTail(): Packet | undefined {
    while (this.position < this.end) {
      const size = this.packetSize(this.tail, 0, this.tailLength);
      // A header is completed byte by byte: how far it reaches shows only as it comes.
      const missing = size === 0 ? 1 : size - this.tailLength;
      this.keepTail(Math.min(missing, this.end - this.position), size);
      const whole = size === 0 ? this.packetSize(this.tail, 0, this.tailLength) : size;
      if (whole !== 0 && this.tailLength === whole) {
        const packet = this.tail;
        this.tail = empty;
        this.tailLength = this.tailSize = 0;
        return this.decode(packet, 0, whole);
      }
    }
    return this.drained();
  }

  private drained(): undefined {
    this.chunk = empty;
    this.position = this.end = 0;
    // It would hold on to the chunk of its last packet, for as long as the client is silent.
    this.reader.over(empty, 0, 0);
    return undefined;
  }

  private keepTail(count: number, size: number): void {
    const needed = this.tailLength + count;
    if (needed > this.tail.length) {
      const doubled = Math.max(needed, this.tail.length * 2, smallestTail);
      const grown = Buffer.allocUnsafe(size === 0 ? doubled : Math.max(needed, Math.min(doubled, size)));
      grown.set(this.tail.subarray(0, this.tailLength));
      this.tail = grown;
    }
    this.chunk.copy(this.tail, this.tailLength, this.position, this.position + count);
    this.tailLength = needed;
    this.tailSize = size;
    this.position += count;
  }

  /** Size of the packet that starts at `at`, header included; 0 when the header is not complete. */
  private packetSize(bytes: Buffer, at: number, end: number): number {
    this.checkFirstByte(bytes[at]);
    let remainingLength = 0;
    for (let index = 1; index <= 4; index++) {
      if (at + index >= end) return 0;
      const byte = bytes[at + index];
      remainingLength |= (byte & 0x7f) << (7 * (index - 1));
      if (byte < 0x80) {
        // [MQTT-1.5.5-1] the shortest encoding
        if (byte === 0 && index > 1) throw malformed('the remaining length is longer than it needs to be', '1.5.5-1');
        const size = 1 + index + remainingLength;
        if (size > this.maximumPacketSize) throw tooLarge(size, this.maximumPacketSize);
        return size;
      }
    }
    throw malformed('the remaining length has more than four bytes', '1.5.5-1');
  }

  /** What one byte can tell is refused at once, without waiting for the rest. */
  private checkFirstByte(first: number): void {
    const type = first >> 4;
    if (this.protocolVersion === undefined && type !== PacketType.CONNECT) {
      throw new MqttError(ReasonCode.ProtocolError, 'the first packet is not a CONNECT', 'MQTT-3.1.0-1');
    }
    if (type === PacketType.PUBLISH) return;
    if (type === 0 || (type === PacketType.AUTH && this.protocolVersion !== 5)) {
      throw malformed(`packet type ${type} does not exist in this version`);
    }
    // [MQTT-2.1.3-1] the reserved flags: 0010 for three packets, 0000 for the others
    const prescribed = prescribedFlags(type);
    // 3.1: those three are sent again with DUP.
    const mask = prescribed === 2 && this.protocolVersion === 3 ? 0x07 : 0x0f;
    if ((first & mask) !== prescribed) {
      throw malformed(`reserved flags are set in ${packetName(type)}`, '2.1.3-1');
    }
  }

  private decode(bytes: Buffer, start: number, end: number): Packet {
    const first = bytes[start];
    let body = start + 1;
    while (bytes[body] >= 0x80) body++;
    body++;
    const type = first >> 4;
    if (type === PacketType.PUBLISH) return decodePublish(bytes, start, body, end, this.protocolVersion, this);
    if (end - body === 2 && isAcknowledgement(type)) return decodePlainAcknowledgement(type, bytes, body);
    const reader = this.reader.over(bytes, body, end);
    const packet =
      type === PacketType.CONNECT ? this.decodeConnect(reader) : decodeBody(type, reader, this.protocolVersion!);
    if (reader.remaining > 0) throw malformed(`${packetName(packet.type)} goes on behind its end`);
    return packet;
  }

  private decodeConnect(reader: ByteReader): Packet {
    // Known before the rest is read, so that a malformed CONNECT can be answered in its own version.
    this.protocolVersion = decodeProtocolVersion(reader);
    return decodeConnect(reader, this.protocolVersion);
  }
}

const empty = Buffer.alloc(0);
const smallestTail = 64;

const tooLarge = (size: number, maximum: number) =>
  new MqttError(ReasonCode.PacketTooLarge, `a packet of ${size} bytes; the maximum is ${maximum}`, 'MQTT-3.2.2-15');
