import { describe, expect, it } from '@jest/globals';
import { ByteWriter, variableByteIntegerSize } from '../../../lib/protocol/byte-writer.js';
import { hex } from '../../support/bytes.js';

describe('ByteWriter', () => {
  it('writes integers with the most significant byte first', () => {
    const writer = new ByteWriter().begin().byte(0x01).uint16(0x0203).uint32(0xfffefdfc);

    expect(writer.body()).toEqual(hex('01 0203 fffefdfc'));
  });

  it('writes strings and binary fields behind their length', () => {
    const writer = new ByteWriter().begin().string('é').binary(hex('00ff')).string('');

    expect(writer.body()).toEqual(hex("0002'é' 0002[00ff] 0000''"));
  });

  it.each([
    [0, '00'],
    [127, '7f'],
    [128, '80 01'],
    [16_383, 'ff 7f'],
    [16_384, '80 80 01'],
    [2_097_151, 'ff ff 7f'],
    [2_097_152, '80 80 80 01'],
    [268_435_455, 'ff ff ff 7f'],
  ])('[MQTT-1.5.5-1] writes the variable byte integer %i in its shortest form', (value, notation) => {
    expect(new ByteWriter().begin().variableByteInteger(value).body()).toEqual(hex(notation));
    expect(variableByteIntegerSize(value)).toBe(hex(notation).length);
  });

  it('puts the fixed header in front', () => {
    const writer = new ByteWriter().begin().raw(Buffer.alloc(128, 1));

    expect(writer.packet(0x30)).toEqual(Buffer.concat([hex('30 80 01'), Buffer.alloc(128, 1)]));
  });

  it('inserts a variable byte integer before what is already written', () => {
    const writer = new ByteWriter().begin().byte(0xaa);
    const start = writer.position;
    writer.uint16(0x0102);

    writer.insertVariableByteInteger(start, 300);

    expect(writer.body()).toEqual(hex('aa ac 02 0102'));
  });

  it('grows with what is written', () => {
    const writer = new ByteWriter().begin();
    for (let value = 0; value < 10_000; value++) writer.uint16(value);

    const body = writer.body();

    expect(body).toHaveLength(20_000);
    expect(body.readUInt16BE(2 * 9999)).toBe(9999);
  });

  it('gives a large buffer back when the next packet begins', () => {
    const writer = new ByteWriter().begin().raw(Buffer.alloc(1_000_000));
    expect(writer['bytes'].length).toBeGreaterThanOrEqual(1_000_000);

    writer.begin();

    expect(writer['bytes'].length).toBeLessThanOrEqual(65_536);
  });

  it('starts anew with begin, whatever was written before', () => {
    const writer = new ByteWriter().begin().string('left over');

    expect(writer.begin().byte(1).body()).toEqual(hex('01'));
  });

  it.each([
    ['string', (writer: ByteWriter) => writer.string('x'.repeat(65_536))],
    ['binary', (writer: ByteWriter) => writer.binary(Buffer.alloc(65_536))],
  ])('refuses a %s field of 65,536 bytes', (_name, action) => {
    const writer = new ByteWriter().begin();

    expect(() => action(writer)).toThrow(RangeError);
    expect(writer.body()).toHaveLength(0);
  });

  it('[MQTT-1.5.5-1] refuses a packet whose length does not fit in four bytes', () => {
    const writer = new ByteWriter().begin();
    writer.position += 268_435_456;

    expect(() => writer.packet(0x30)).toThrow(RangeError);
  });
});
