import { describe, expect, it } from '@jest/globals';
import { MqttError } from '../../../lib/protocol/mqtt-error.js';
import { encodePacket } from '../../../lib/protocol/packet-encoder.js';
import type { Packet, ProtocolVersion } from '../../../lib/protocol/packets.js';
import { framed, hex, readNotation } from '../../support/bytes.js';
import { decodeChunks, decoderFor, drain, thrownBy } from '../../support/decoding.js';
import { packetCases } from '../../support/packet-cases.js';
import { packetWith } from '../../support/property-cases.js';

/** What would be read if a length were believed: the packets behind. */
const following = hex('c0 00 c0 00 c0 00');

/** The packets in `bytes`, or the MqttError that refuses them; any other error is rethrown. */
function outcome(version: ProtocolVersion, bytes: Buffer): readonly Packet[] | MqttError {
  try {
    return decodeChunks(version, [bytes]);
  } catch (error) {
    if (error instanceof MqttError) return error;
    throw error;
  }
}

const headerSize = (bytes: Buffer) => (bytes[1] < 0x80 ? 2 : 3);

/** Cuts the body after `length` bytes, below 128, and announces just those. */
const shortened = (bytes: Buffer, length: number) =>
  Buffer.concat([Buffer.from([bytes[0], length]), bytes.subarray(headerSize(bytes)).subarray(0, length)]);

describe('PacketDecoder and damaged packets', () => {
  describe('[A5] a length that points beyond the packet', () => {
    const spoiled = packetCases.flatMap(({ name, version, notation }) => {
      const { bytes, lengthFields } = readNotation(notation);
      return lengthFields.map((field) => ({ name, version, bytes, ...field }));
    });

    it.each(spoiled)('[A5] is refused at offset $at: $name', ({ version, bytes, at, size }) => {
      const beyond = bytes.length - at - size + 1;
      const values =
        size === 2 ? [beyond, beyond + following.length, 0xffff] : [beyond, beyond + following.length, 0x7f];

      for (const value of values) {
        const copy = Buffer.concat([bytes, following]);
        copy.writeUIntBE(value, at, size);
        const decoder = decoderFor(version);
        decoder.push(copy);

        expect(thrownBy(() => decoder.next())).toBeInstanceOf(MqttError);
      }
    });
  });

  it.each(packetCases)('[A5] any two bytes of the body set to ffff give an MqttError or a packet: $name', (row) => {
    const bytes = hex(row.notation);

    for (let at = headerSize(bytes); at < bytes.length - 1; at++) {
      const copy = Buffer.from(bytes);
      copy.writeUInt16BE(0xffff, at);

      const result = outcome(row.version, copy);

      expect(result instanceof MqttError || result.length === 1).toBe(true);
    }
  });

  it.each(packetCases)(
    '[A5] no packet comes out of one that is cut off until its rest is there: $name',
    ({ notation, version, packet }) => {
      const bytes = hex(notation);

      for (let length = 0; length < bytes.length; length++) {
        const decoder = decoderFor(version);
        decoder.push(bytes.subarray(0, length));

        expect(decoder.next()).toBeUndefined();
        decoder.push(bytes.subarray(length));
        expect(drain(decoder)).toEqual([packet]);
      }
    },
  );

  const short = packetCases.filter(({ notation }) => hex(notation).length < 0x7f);
  it.each(short)('[A5] a body cut short is refused or is itself a whole packet: $name', ({ notation, version }) => {
    const bytes = hex(notation);

    for (let length = 0; length < bytes.length - 2; length++) {
      const result = outcome(version, shortened(bytes, length));

      if (result instanceof MqttError) continue;
      const again = Buffer.concat(result.map((packet) => encodePacket(packet, version)));
      expect(decodeChunks(version, [again])).toEqual(result);
    }
  });

  const mandatory = packetCases.filter(({ name, version }) => /^(CONNECT|CONNACK)\b/.test(name) && version !== 3);
  it.each(mandatory)('[A5] a body cut short is refused: $name', ({ notation, version }) => {
    const bytes = hex(notation);

    for (let length = 0; length < bytes.length - 2; length++) {
      expect(outcome(version, shortened(bytes, length))).toBeInstanceOf(MqttError);
    }
  });

  it('[A5] a CONNECT of MQTT 3.1 may end before its user name or password, and nowhere else', () => {
    const bytes = hex("10 1a 0006'MQIsdp' 03 c2 003c 0003'dev' 0003'ann' 0002[00ff]");
    const lengths = Array.from({ length: bytes.length - 2 }, (_, length) => length);

    const accepted = lengths.filter((length) => !(outcome(3, shortened(bytes, length)) instanceof MqttError));

    expect(accepted).toEqual([17, 22]);
  });

  it('[A7] takes strings of 65,535 bytes', () => {
    const text = 'x'.repeat(65_535);
    const body = Buffer.concat([hex('0007 ffff'), Buffer.from(text), hex('00')]);
    const header = hex('82 84 80 04');

    const packets = decodeChunks(4, [Buffer.concat([header, body])]);

    expect(packets).toMatchObject([{ subscriptions: [{ filter: text }] }]);
  });

  it('[A13] a client id, user name and topic may have names that JavaScript treats specially', () => {
    const packets = decodeChunks(undefined, [
      hex(framed(0x10, "0004'MQTT' 04 82 003c 0009'__proto__' 0008'toString'")),
      hex(framed(0x30, "0015'__proto__/constructor'")),
    ]);

    expect(packets).toMatchObject([
      { clientId: '__proto__', username: 'toString' },
      { topic: '__proto__/constructor' },
    ]);
  });

  it('[A13] user properties of such names are pairs like any other', () => {
    const decoder = decoderFor(5);
    const pairs = "26 0009'__proto__' 0008'polluted' 26 000b'constructor' 0001'x' 26 0009'__proto__' 0001'y'";
    decoder.push(hex(packetWith('PUBLISH', pairs)));

    const [packet] = drain(decoder);

    expect(packet).toMatchObject({
      properties: {
        userProperties: [
          ['__proto__', 'polluted'],
          ['constructor', 'x'],
          ['__proto__', 'y'],
        ],
      },
    });
    expect(Object.keys(Object.prototype)).toEqual([]);
  });
});
