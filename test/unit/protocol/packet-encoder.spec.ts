import { describe, expect, it } from '@jest/globals';
import { encodePacket, publishFirstByte } from '../../../lib/protocol/packet-encoder.js';
import { PacketType } from '../../../lib/protocol/packets.js';
import { hex } from '../../support/bytes.js';
import { packetCases } from '../../support/packet-cases.js';

const publish = { type: PacketType.PUBLISH, dup: false, qos: 0, retain: false, topic: 't', packetId: 0 } as const;

describe('encodePacket', () => {
  describe('encodes', () => {
    it.each(packetCases.filter(({ decodesOnly }) => !decodesOnly))('$name', ({ notation, version, packet }) => {
      const bytes = encodePacket(packet, version);

      expect(bytes.toString('hex')).toBe(hex(notation).toString('hex'));
    });
  });

  describe('chooses the shortest form of', () => {
    it.each(packetCases.filter(({ decodesOnly }) => decodesOnly))('$name', ({ notation, version, packet }) => {
      const bytes = encodePacket(packet, version);

      expect(bytes.length).toBeLessThanOrEqual(hex(notation).length);
    });
  });

  it('leaves properties and reason codes out below version 5', () => {
    const packet = {
      type: PacketType.PUBACK,
      packetId: 7,
      reasonCode: 0x10,
      properties: { reasonString: 'nobody' },
    } as const;

    expect(encodePacket(packet, 4)).toEqual(hex('40 02 0007'));
  });

  it('[MQTT-2.2.2-1] writes a property length of 0 for no properties and for an empty set', () => {
    const bytes = hex("30 04 0001't' 00{}");

    expect(encodePacket({ ...publish, payload: hex('') }, 5)).toEqual(bytes);
    expect(encodePacket({ ...publish, payload: hex(''), properties: {} }, 5)).toEqual(bytes);
  });

  it('[MQTT-3.3.2-18] keeps user properties in their order, repeated names included', () => {
    const userProperties = [
      ['b', '1'],
      ['a', '2'],
      ['b', '1'],
    ] as const;

    const bytes = encodePacket({ ...publish, payload: hex(''), properties: { userProperties } }, 5);

    expect(bytes).toEqual(hex("30 19 0001't' 15{26 0001'b' 0001'1' 26 0001'a' 0001'2' 26 0001'b' 0001'1'}"));
  });

  it.each([
    [127, '30 7f'],
    [128, '30 80 01'],
    [16_383, '30 ff 7f'],
    [16_384, '30 80 80 01'],
    [2_097_151, '30 ff ff 7f'],
    [2_097_152, '30 80 80 80 01'],
  ])('[MQTT-1.5.5-1] writes the remaining length %i in its shortest form', (remainingLength, header) => {
    const bytes = encodePacket({ ...publish, payload: Buffer.alloc(remainingLength - 3) }, 4);

    expect(bytes.subarray(0, hex(header).length)).toEqual(hex(header));
    expect(bytes).toHaveLength(hex(header).length + remainingLength);
  });

  it('gives every packet a buffer of its own', () => {
    const first = encodePacket({ ...publish, payload: Buffer.from('one') }, 4);
    encodePacket({ ...publish, payload: Buffer.from('two') }, 4);

    expect(first).toEqual(hex(`30 06 0001't' "one"`));
  });

  it('[MQTT-4.7.3-3] refuses a string of 65,536 bytes', () => {
    const topic = 'é'.repeat(32_768);

    expect(() => encodePacket({ ...publish, topic, payload: hex('') }, 4)).toThrow(RangeError);
  });

  it('encodes the next packet after one that it refused', () => {
    expect(() => encodePacket({ ...publish, topic: 't'.repeat(65_536), payload: hex('') }, 4)).toThrow(RangeError);

    expect(encodePacket({ ...publish, payload: Buffer.from('hi') }, 4)).toEqual(hex(`30 05 0001't' "hi"`));
  });
});

describe('publishFirstByte', () => {
  it('puts DUP, QoS and RETAIN beside the packet type', () => {
    expect(publishFirstByte(false, 0, false)).toBe(0x30);
    expect(publishFirstByte(true, 2, true)).toBe(0x3d);
  });
});
