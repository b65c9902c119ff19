import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { encodePacket } from '../../lib/protocol/packet-encoder.js';
import { packetName } from '../../lib/protocol/packets.js';
import { bytewise, decodeChunks } from '../support/decoding.js';
import { anyPacket, packetOfType, packetTypesOf, versions } from '../support/packet-arbitraries.js';

const inverses = versions.flatMap((version) =>
  packetTypesOf(version).map((type) => ({ version, type, name: packetName(type) })),
);

/** Cuts `bytes` at the given places, in any order and beyond the end as well. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return ends.map((end, index) => bytes.subarray(index === 0 ? 0 : ends[index - 1], end));
}

describe('packets', () => {
  it.each(inverses)('a $name of version $version is what it was after encoding and decoding', ({ version, type }) => {
    fc.assert(
      fc.property(packetOfType(type, version), (packet) => {
        const packets = decodeChunks(version, [encodePacket(packet, version)]);

        expect(packets).toEqual([packet]);
      }),
      { numRuns: 200 },
    );
  });

  it.each(versions)('packets of version %i are the same however they are cut into chunks', (version) => {
    const streams = fc.array(anyPacket(version), { maxLength: 6 });
    const places = fc.array(fc.nat({ max: 2000 }), { maxLength: 12 });

    fc.assert(
      fc.property(streams, places, (packets, cuts) => {
        const bytes = Buffer.concat(packets.map((packet) => encodePacket(packet, version)));

        expect(decodeChunks(version, cut(bytes, cuts))).toEqual(packets);
        expect(decodeChunks(version, bytewise(bytes))).toEqual(packets);
      }),
      { numRuns: 300 },
    );
  });

  it.each(versions)('what is decoded is encoded to the same bytes, version %i', (version) => {
    fc.assert(
      fc.property(anyPacket(version), (packet) => {
        const bytes = encodePacket(packet, version);
        const [decoded] = decodeChunks(version, [bytes]);

        expect(encodePacket(decoded, version)).toEqual(bytes);
      }),
      { numRuns: 300 },
    );
  });
});
