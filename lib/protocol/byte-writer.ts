/**
 * Builds a packet out of the data types of MQTT 5, 1.5; every method returns the writer, so that the code reads
 * like the page of the standard. The buffer grows and is reused: `packet()` copies out what was written.
 */
export class ByteWriter {
  private bytes = Buffer.allocUnsafe(initialSize);
  position = headerRoom;

  /** @param keptSize bytes: a larger buffer is given back after what needed it */
  constructor(private readonly keptSize = 65_536) {}

  /** Bytes since `begin()`. */
  get length(): number {
    return this.position - headerRoom;
  }

  /** Starts a new packet, leaving room for the fixed header. */
  begin(): this {
    this.position = headerRoom;
    if (this.bytes.length > this.keptSize) this.bytes = Buffer.allocUnsafe(initialSize);
    return this;
  }

  byte(value: number): this {
    this.reserve(1);
    this.bytes[this.position++] = value;
    return this;
  }

  uint16(value: number): this {
    this.reserve(2);
    this.bytes[this.position++] = value >>> 8;
    this.bytes[this.position++] = value & 0xff;
    return this;
  }

  uint32(value: number): this {
    this.reserve(4);
    this.position = this.bytes.writeUInt32BE(value, this.position);
    return this;
  }

  /** Below 2 ** 48. */
  uint48(value: number): this {
    this.reserve(6);
    this.position = this.bytes.writeUIntBE(value, this.position, 6);
    return this;
  }

  double(value: number): this {
    this.reserve(8);
    this.position = this.bytes.writeDoubleBE(value, this.position);
    return this;
  }

  variableByteInteger(value: number): this {
    this.reserve(4);
    this.position = writeVariableByteInteger(this.bytes, this.position, value);
    return this;
  }

  /** @throws RangeError above 65,535 bytes of UTF-8 */
  string(text: string): this {
    if (text.length <= shortText && this.ascii(text)) return this;
    const length = Buffer.byteLength(text);
    this.fieldLength(length);
    this.reserve(length);
    this.position += this.bytes.write(text, this.position, length, 'utf8');
    return this;
  }

  /** Short texts, as most are, without two calls out of JavaScript; false where it is not ASCII, and nothing is written. */
  private ascii(text: string): boolean {
    const { length } = text;
    this.reserve(2 + length);
    const { bytes } = this;
    const start = this.position + 2;
    for (let index = 0; index < length; index++) {
      const unit = text.charCodeAt(index);
      if (unit >= 0x80) return false;
      bytes[start + index] = unit;
    }
    this.uint16(length);
    this.position = start + length;
    return true;
  }

  /** @throws RangeError above 65,535 bytes */
  binary(bytes: Uint8Array): this {
    this.fieldLength(bytes.length);
    return this.raw(bytes);
  }

  raw(bytes: Uint8Array): this {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.position);
    this.position += bytes.length;
    return this;
  }

  /** Puts a number in the place of one that was written before. */
  setUint32(at: number, value: number): void {
    this.bytes.writeUInt32BE(value, at);
  }

  /** Puts a Variable Byte Integer at `at`, before what was already written behind it. */
  insertVariableByteInteger(at: number, value: number): void {
    const size = variableByteIntegerSize(value);
    this.reserve(size);
    this.bytes.copyWithin(at + size, at, this.position);
    writeVariableByteInteger(this.bytes, at, value);
    this.position += size;
  }

  /**
   * The finished packet with its fixed header, as a copy.
   * @throws RangeError above 268,435,455 bytes behind the header
   */
  packet(firstByte: number): Buffer {
    const remainingLength = this.position - headerRoom;
    // A fifth length byte would be written over the body, and the peer would lose the packet boundaries.
    if (remainingLength > longestRemainingLength) {
      throw new RangeError(`a packet of ${remainingLength} bytes; MQTT has room for ${longestRemainingLength}`);
    }
    const start = headerRoom - 1 - variableByteIntegerSize(remainingLength);
    this.bytes[start] = firstByte;
    writeVariableByteInteger(this.bytes, start + 1, remainingLength);
    return Buffer.from(this.bytes.subarray(start, this.position));
  }

  /** What was written since `begin()`, without a header, as a copy. */
  body(): Buffer {
    return Buffer.from(this.bytes.subarray(headerRoom, this.position));
  }

  private fieldLength(length: number): void {
    if (length > 0xffff) throw new RangeError(`a field of ${length} bytes; MQTT has room for 65535`);
    this.uint16(length);
  }

  private reserve(count: number): void {
    if (this.position + count <= this.bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.position + count));
    grown.set(this.bytes.subarray(0, this.position));
    this.bytes = grown;
  }
}

/** The first byte and a Remaining Length of up to four. */
const headerRoom = 5;
const longestRemainingLength = 268_435_455;
const initialSize = 4096;
/** Characters. */
const shortText = 128;

/** Bytes that `value` takes as a Variable Byte Integer: 1 to 4. */
export const variableByteIntegerSize = (value: number): number =>
  value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : 4;

/** Writes `value` (0 to 268,435,455) at `at` and returns the position behind it. */
export function writeVariableByteInteger(bytes: Buffer, at: number, value: number): number {
  while (value >= 0x80) {
    bytes[at++] = (value & 0x7f) | 0x80;
    value >>>= 7;
  }
  bytes[at++] = value;
  return at;
}
