import { isUtf8 } from 'node:buffer';
import { malformed } from './mqtt-error.js';

/**
 * Reads the data types of MQTT 5, 1.5, out of one packet, front to back.
 *
 * `binary()` and `rest()` return views: copy what you keep.
 * @throws MqttError MalformedPacket on any read past the end
 */
export class ByteReader {
  private bytes: Buffer = Buffer.alloc(0);
  position = 0;
  end = 0;

  /** Points the reader at `bytes[start, end)`; one reader serves all packets of a connection. */
  over(bytes: Buffer, start: number, end: number): this {
    this.bytes = bytes;
    this.position = start;
    this.end = end;
    return this;
  }

  get remaining(): number {
    return this.end - this.position;
  }

  byte(): number {
    return this.bytes[this.advance(1)];
  }

  uint16(): number {
    const at = this.advance(2);
    return (this.bytes[at] << 8) | this.bytes[at + 1];
  }

  uint32(): number {
    return this.bytes.readUInt32BE(this.advance(4));
  }

  /** Variable Byte Integer: 0 to 268,435,455, in its shortest form. */
  variableByteInteger(): number {
    let value = 0;
    for (let shift = 0; shift <= 21; shift += 7) {
      const byte = this.byte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        // [MQTT-1.5.5-1] the shortest encoding: a last byte of 0 adds nothing
        if (byte === 0 && shift > 0)
          throw malformed('a variable byte integer is longer than it needs to be', '1.5.5-1');
        return value;
      }
    }
    throw malformed('a variable byte integer has more than four bytes', '1.5.5-1');
  }

  /** A two-byte length and that many bytes, as a view. */
  binary(): Buffer {
    return this.bytesOf(this.uint16());
  }

  /** A two-byte length and that many bytes of UTF-8. */
  string(): string {
    const length = this.uint16();
    const at = this.advance(length);
    return decodeString(this.bytes, at, at + length);
  }

  /** That many bytes, as a view. */
  bytesOf(length: number): Buffer {
    const at = this.advance(length);
    return this.bytes.subarray(at, at + length);
  }

  /** Everything up to the end of the packet, as a view. */
  rest(): Buffer {
    const at = this.advance(this.remaining);
    return this.bytes.subarray(at, this.end);
  }

  private advance(count: number): number {
    const at = this.position;
    if (at + count > this.end) throw malformed('a field reaches beyond the end of the packet');
    this.position = at + count;
    return at;
  }
}

/**
 * The string in `bytes[start, end)`.
 * @throws MqttError MalformedPacket unless it is well-formed UTF-8 without U+0000
 */
export function decodeString(bytes: Buffer, start: number, end: number): string {
  let ascii = true;
  for (let at = start; at < end; at++) {
    const byte = bytes[at];
    // [MQTT-1.5.4-2]
    if (byte === 0) throw malformed('a string holds U+0000', '1.5.4-2');
    if (byte >= 0x80) ascii = false;
  }
  if (ascii) return bytes.toString('latin1', start, end);
  // [MQTT-1.5.4-1] isUtf8 refuses surrogates and overlong forms too. [MQTT-1.5.4-3] toString keeps U+FEFF.
  if (!isUtf8(bytes.subarray(start, end))) throw malformed('a string is not well-formed UTF-8', '1.5.4-1');
  return bytes.toString('utf8', start, end);
}
