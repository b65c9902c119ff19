/**
 * Packets as the tests write them: hex, in which what a length counts stands in quotes or brackets behind it.
 *
 * `0004'MQTT'` is a two-byte length and text, `0002[dead]` a two-byte length and hex, `05{11 0000000a}` a Property
 * Length and properties, `"text"` text without a length. So a test can find every length of a packet and spoil it.
 */
export interface WrittenPacket {
  readonly bytes: Buffer;
  readonly lengthFields: readonly LengthField[];
}

export interface LengthField {
  /** Where the field stands. */
  readonly at: number;
  /** Bytes of the field: 2, or 1 for a Property Length (those of the tests are below 128). */
  readonly size: 1 | 2;
}

export function readNotation(notation: string): WrittenPacket {
  const bytes: number[] = [];
  const lengthFields: LengthField[] = [];
  const tokens = notation.match(/'[^']*'|"[^"]*"|[\da-f]{2}|[[{\]}]|\S/g) ?? [];
  for (const token of tokens) {
    if (/^[\da-f]{2}$/.test(token)) bytes.push(Number.parseInt(token, 16));
    else if (token === '[' || token.startsWith("'")) lengthFields.push({ at: bytes.length - 2, size: 2 });
    else if (token === '{') lengthFields.push({ at: bytes.length - 1, size: 1 });
    else if (token !== ']' && token !== '}' && !token.startsWith('"')) throw new Error(`${token} in ${notation}`);
    if (/^['"]/.test(token)) bytes.push(...Buffer.from(token.slice(1, -1)));
  }
  return { bytes: Buffer.from(bytes), lengthFields };
}

/** The bytes of a packet in the notation of the tests. */
export const hex = (notation: string): Buffer => readNotation(notation).bytes;

/** `body` behind its first byte and Remaining Length, in the same notation. */
export function framed(firstByte: number, body: string): string {
  const { length } = hex(body);
  if (length > 127) throw new RangeError(`a body of ${length} bytes needs a longer remaining length`);
  return `${hexByte(firstByte)} ${hexByte(length)} ${body}`;
}

/** `properties` behind their length, in the same notation. */
export const propertyBlock = (properties: string): string => `${hexByte(hex(properties).length)}{${properties}}`;

const hexByte = (value: number) => value.toString(16).padStart(2, '0');
