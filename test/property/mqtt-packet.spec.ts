import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { MqttError } from '../../lib/protocol/mqtt-error.js';
import { encodePacket } from '../../lib/protocol/packet-encoder.js';
import { packetName, type Packet, type ProtocolVersion } from '../../lib/protocol/packets.js';
import { hex } from '../support/bytes.js';
import { decodeChunks } from '../support/decoding.js';
import { generateByOracle, meaningOf, parseByOracle, sayableByOracle } from '../support/mqtt-packet-oracle.js';
import { laxerPoints, stricterPoints, type Difference } from '../support/oracle-differences.js';
import { packetOfType, packetTypesOf, versions } from '../support/packet-arbitraries.js';
import { spoiledBody } from '../support/spoiled-bytes.js';

const kinds = versions.flatMap((version) =>
  packetTypesOf(version).map((type) => ({ version, type, name: packetName(type) })),
);
const numRuns = 150;

/** Our packets in `bytes`, or the error that refuses them. */
function parseByUs(bytes: Buffer, version: ProtocolVersion): readonly Packet[] | MqttError {
  try {
    return decodeChunks(version, [bytes]);
  } catch (error) {
    if (error instanceof MqttError) return error;
    throw error;
  }
}

const isKnown = (points: readonly Difference[], error: Error, version: ProtocolVersion) =>
  points.some((point) => point.message.test(error.message) && (point.version !== 3 || version === 3));

describe('mqtt-packet as an oracle', () => {
  it.each(kinds)('reads a $name of version $version that we encoded as we meant it', ({ version, type }) => {
    fc.assert(
      fc.property(packetOfType(type, version).map(sayableByOracle), (packet) => {
        const parsed = parseByOracle(encodePacket(packet, version), version);

        expect(parsed).toEqual(meaningOf(packet, version));
      }),
      { numRuns },
    );
  });

  it.each(kinds)('writes a $name of version $version that we decode as it was meant', ({ version, type }) => {
    fc.assert(
      fc.property(packetOfType(type, version).map(sayableByOracle), (packet) => {
        const decoded = decodeChunks(version, [generateByOracle(packet, version)]);

        expect(decoded.map((each) => meaningOf(each, version))).toEqual([meaningOf(packet, version)]);
      }),
      { numRuns },
    );
  });

  it.each(versions)('differs on damaged packets of version %i only in the listed points', (version) => {
    const tally = { agreed: 0, refused: 0, laxer: 0 };

    fc.assert(
      fc.property(spoiledBody(version), (bytes) => {
        const ours = parseByUs(bytes, version);
        const theirs = parseByOracle(bytes, version);
        const theyRefuse = theirs === undefined || theirs instanceof Error;

        if (ours instanceof MqttError && !theyRefuse) {
          tally.laxer++;
          if (!isKnown(laxerPoints, ours, version)) throw ours;
        } else if (!(ours instanceof MqttError) && theyRefuse) {
          if (theirs === undefined || !isKnown(stricterPoints, theirs, version))
            throw theirs ?? new Error('it waits for more');
        } else if (!(ours instanceof MqttError)) {
          tally.agreed++;
          expect(ours.map((each) => meaningOf(each, version))).toEqual([theirs]);
        } else {
          tally.refused++;
        }
      }),
      { numRuns: 2000 },
    );

    // The common outcomes are really met; the stricter points are rare, and shown one by one below.
    expect(Math.min(tally.agreed, tally.refused, tally.laxer)).toBeGreaterThan(20);
  });

  it.each(laxerPoints)('is laxer: $because', ({ version, notation, message }) => {
    const ours = parseByUs(hex(notation), version);

    expect(ours).toMatchObject({ name: 'MqttError', message: expect.stringMatching(message) });
    expect(parseByOracle(hex(notation), version)).toHaveProperty('cmd');
  });

  it.each(stricterPoints)('is stricter: $because', ({ version, notation, message }) => {
    const theirs = parseByOracle(hex(notation), version);

    expect(theirs).toBeInstanceOf(Error);
    expect((theirs as Error).message).toMatch(message);
    expect(decodeChunks(version, [hex(notation)])).toHaveLength(1);
  });
});
