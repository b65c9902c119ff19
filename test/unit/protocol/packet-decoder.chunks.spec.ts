import { describe, expect, it } from '@jest/globals';
import type { PacketDecoder } from '../../../lib/protocol/packet-decoder.js';
import type { ProtocolVersion } from '../../../lib/protocol/packets.js';
import { hex } from '../../support/bytes.js';
import { bytewise, decodeChunks, decoderFor, drain, thrownBy } from '../../support/decoding.js';
import { packetCases } from '../../support/packet-cases.js';

/** Bytes that the decoder has allocated for an unfinished packet. */
const heldBytes = (decoder: PacketDecoder): number => decoder['tail'].length;

const streams = ([3, 4, 5] as const).map((version) => {
  const cases = packetCases.filter((row) => row.version === version);
  return {
    version,
    bytes: Buffer.concat(cases.map(({ notation }) => hex(notation))),
    packets: cases.map(({ packet }) => packet),
  };
});

describe('PacketDecoder and chunks', () => {
  it.each(packetCases)('[A3] gives the same packet byte by byte: $name', ({ notation, version, packet }) => {
    const packets = decodeChunks(version, bytewise(hex(notation)));

    expect(packets).toEqual([packet]);
  });

  it.each(packetCases)('[A3] gives the same packet split at every offset: $name', ({ notation, version, packet }) => {
    const bytes = hex(notation);

    for (let offset = 1; offset < bytes.length; offset++) {
      const packets = decodeChunks(version, [bytes.subarray(0, offset), bytes.subarray(offset)]);

      expect({ offset, packets }).toEqual({ offset, packets: [packet] });
    }
  });

  it.each(streams)('[A3] gives the same stream in one chunk, version $version', ({ version, bytes, packets }) => {
    expect(decodeChunks(version, [bytes])).toEqual(packets);
  });

  it.each(streams)('[A3] gives the same stream byte by byte, version $version', ({ version, bytes, packets }) => {
    expect(decodeChunks(version, bytewise(bytes))).toEqual(packets);
  });

  it.each([2, 3, 5, 7, 64])('[A3] gives the same stream in chunks of %i bytes', (size) => {
    const { version, bytes, packets } = streams[2];
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
      bytes.subarray(index * size, (index + 1) * size),
    );

    expect(decodeChunks(version, chunks)).toEqual(packets);
  });

  it('takes an empty chunk for nothing', () => {
    const decoder = decoderFor(4);
    decoder.push(hex('c0'));
    drain(decoder);

    decoder.push(hex(''));
    expect(drain(decoder)).toEqual([]);

    decoder.push(hex('00'));
    expect(drain(decoder)).toHaveLength(1);
  });

  it('copies an unfinished packet, so that the read buffer can be used again', () => {
    const decoder = decoderFor(4);
    const readBuffer = hex(`30 05 0001't' "h"`);
    decoder.push(readBuffer);
    drain(decoder);
    readBuffer.fill(0xff);

    decoder.push(Buffer.from('i'));

    expect(drain(decoder)).toMatchObject([{ topic: 't', payload: Buffer.from('hi') }]);
  });

  it('[A2] refuses a long remaining length at its fifth byte, without waiting for more', () => {
    const decoder = decoderFor(4);
    const [first, ...rest] = bytewise(hex('30 80 80 80'));
    for (const chunk of [first, ...rest]) {
      decoder.push(chunk);
      expect(decoder.next()).toBeUndefined();
    }

    decoder.push(hex('80'));

    expect(thrownBy(() => decoder.next())).toMatchObject({ rule: 'MQTT-1.5.5-1' });
  });

  it('gives the packets of a chunk one at a time, and the last one when the rest of it has come', () => {
    const decoder = decoderFor(4);

    decoder.push(hex('c0 00 c0 00 c0'));
    expect([decoder.next()?.type, decoder.next()?.type, decoder.next()]).toEqual([12, 12, undefined]);

    decoder.push(hex('00'));
    expect([decoder.next()?.type, decoder.next()]).toEqual([12, undefined]);
  });

  it('holds nothing after the last packet', () => {
    const decoder = decoderFor(5);
    for (const chunk of bytewise(streams[2].bytes)) {
      decoder.push(chunk);
      drain(decoder);
    }

    expect(heldBytes(decoder)).toBe(0);
  });

  describe('[A1] a packet of 256 MB is announced', () => {
    const connect = hex('10 ff ff ff 7f');
    const publish = hex("30 ff ff ff 7f 0001't'");

    it.each<[string, ProtocolVersion | undefined, Buffer]>([
      ['before CONNECT', undefined, connect],
      ['after CONNECT', 5, publish],
    ])('[A1] %s and then there is silence: a few bytes are held', (_when, version, header) => {
      const decoder = decoderFor(version);

      decoder.push(header);

      expect(drain(decoder)).toEqual([]);
      expect(heldBytes(decoder)).toBeLessThanOrEqual(64);
    });

    it('[A1] and comes slowly: at most twice the received bytes are held', () => {
      const decoder = decoderFor(5);
      decoder.push(publish);
      drain(decoder);

      for (let received = publish.length + 1000; received < 300_000; received += 1000) {
        decoder.push(Buffer.alloc(1000));
        drain(decoder);

        expect(heldBytes(decoder)).toBeGreaterThanOrEqual(received);
        expect(heldBytes(decoder)).toBeLessThanOrEqual(2 * received);
      }
    });
  });

  it('[A1] holds no more than the packet for one that is nearly complete', () => {
    const bytes = Buffer.concat([hex("30 83 08 0001't'"), Buffer.alloc(1024)]);
    const decoder = decoderFor(4);

    for (const chunk of [bytes.subarray(0, 600), bytes.subarray(600, 700), bytes.subarray(700, 1029)]) {
      decoder.push(chunk);
      drain(decoder);
    }

    expect(heldBytes(decoder)).toBe(bytes.length);
  });
});
