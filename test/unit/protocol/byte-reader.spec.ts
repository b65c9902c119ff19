import { describe, expect, it } from '@jest/globals';
import { ByteReader, decodeString } from '../../../lib/protocol/byte-reader.js';
import { MqttError } from '../../../lib/protocol/mqtt-error.js';
import { hex } from '../../support/bytes.js';

const readerOver = (notation: string) => {
  const bytes = hex(notation);
  return new ByteReader().over(bytes, 0, bytes.length);
};

describe('ByteReader', () => {
  it('reads integers with the most significant byte first', () => {
    const reader = readerOver('01 0203 fffefdfc');

    expect([reader.byte(), reader.uint16(), reader.uint32()]).toEqual([0x01, 0x0203, 0xfffefdfc]);
    expect(reader.remaining).toBe(0);
  });

  it.each([
    ['00', 0],
    ['7f', 127],
    ['80 01', 128],
    ['ff 7f', 16_383],
    ['80 80 01', 16_384],
    ['ff ff 7f', 2_097_151],
    ['80 80 80 01', 2_097_152],
    ['ff ff ff 7f', 268_435_455],
  ])('reads the variable byte integer %s', (notation, value) => {
    expect(readerOver(notation).variableByteInteger()).toBe(value);
  });

  it.each(['80 00', '81 00', '80 80 00', '80 80 80 00', '80 80 80 80', '80 80 80 80 01', 'ff ff ff ff 7f'])(
    '[A2] [MQTT-1.5.5-1] refuses the variable byte integer %s',
    (notation) => {
      const reader = readerOver(notation);

      expect(() => reader.variableByteInteger()).toThrow(MqttError);
    },
  );

  it.each<[string, string, (reader: ByteReader) => unknown]>([
    ['byte', '', (reader) => reader.byte()],
    ['uint16', '00', (reader) => reader.uint16()],
    ['uint32', '000000', (reader) => reader.uint32()],
    ['variableByteInteger', '80', (reader) => reader.variableByteInteger()],
    ['string', '000261', (reader) => reader.string()],
    ['binary', '000261', (reader) => reader.binary()],
  ])('[A5] %s refuses to read beyond the end, though the buffer goes on', (_name, notation, action) => {
    const bytes = hex(notation);
    const reader = new ByteReader().over(Buffer.concat([bytes, hex('0101010101')]), 0, bytes.length);

    expect(() => action(reader)).toThrow(MqttError);
  });

  it('gives binary fields and the rest as views', () => {
    const bytes = hex('0002[0102] 0304');
    const reader = new ByteReader().over(bytes, 0, bytes.length);
    const [binary, rest] = [reader.binary(), reader.rest()];

    bytes.fill(0xff);

    expect([binary, rest]).toEqual([hex('ffff'), hex('ffff')]);
  });

  it('can be pointed at another packet', () => {
    const reader = readerOver('0102');
    reader.rest();

    expect(reader.over(hex('aa bb cc'), 1, 2).byte()).toBe(0xbb);
    expect(reader.remaining).toBe(0);
  });
});

describe('decodeString', () => {
  it.each([
    ['61', 'a'],
    ['c3a9', 'é'],
    ['e282ac', '€'],
    ['f09f9880', '😀'],
    ['ed9fbf', '\ud7ff'],
    ['ee8080', '\ue000'],
    ['f48fbfbf', '\u{10ffff}'],
    ['efbfbf', '\uffff'],
    ['01', '\u0001'],
  ])('[MQTT-1.5.4-1] decodes %s', (notation, text) => {
    const bytes = hex(notation);

    expect(decodeString(bytes, 0, bytes.length)).toBe(text);
  });

  it.each(['efbbbf61', '61efbbbf'])('[MQTT-1.5.4-3] keeps U+FEFF in %s', (notation) => {
    const bytes = hex(notation);

    expect(decodeString(bytes, 0, bytes.length)).toContain('\ufeff');
  });

  it('looks only at its own bytes', () => {
    expect(decodeString(hex('00 61 ff'), 1, 2)).toBe('a');
  });
});
