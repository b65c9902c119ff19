import { describe, expect, it } from '@jest/globals';
import fc, { type Arbitrary } from 'fast-check';
import { MqttError } from '../../lib/protocol/mqtt-error.js';
import { PacketDecoder } from '../../lib/protocol/packet-decoder.js';
import type { ProtocolVersion } from '../../lib/protocol/packets.js';
import { SeenTopics } from '../../lib/protocol/seen-topics.js';
import { versions } from '../support/packet-arbitraries.js';
import { spoiledBody, spoiledPacket } from '../support/spoiled-bytes.js';

/** `npm run test:fuzz` sets a million. */
const numRuns = Number(process.env.MQTTD_FUZZ_RUNS ?? 3000);
const maximumPacketSize = 1024;

interface Input {
  readonly version: ProtocolVersion | undefined;
  readonly chunks: readonly Buffer[];
}

const anyVersion = fc.constantFrom<ProtocolVersion | undefined>(undefined, ...versions);
const noise = fc.uint8Array({ minLength: 1, maxLength: 60 }).map((array) => Buffer.from(array));

const inputs: Record<string, Arbitrary<Input>> = {
  'random bytes': fc.record({ version: anyVersion, chunks: fc.array(noise, { minLength: 1, maxLength: 5 }) }),
  'packets changed anywhere': chunked(spoiledPacket),
  'packets changed in their body': chunked(spoiledBody),
};

/** Several packets, each in two chunks. */
function chunked(packetOf: (version: ProtocolVersion) => Arbitrary<Buffer>): Arbitrary<Input> {
  return fc.constantFrom(...versions).chain((version) =>
    fc.record({
      version: fc.constant(version),
      chunks: fc
        .array(fc.tuple(packetOf(version), fc.nat({ max: 100 })), { minLength: 1, maxLength: 3 })
        .map((parts) => parts.flatMap(([bytes, place]) => [bytes.subarray(0, place), bytes.subarray(place)])),
    }),
  );
}

/** Pushes all chunks and looks at what is held after each; gives the error that ended it. */
function feed({ version, chunks }: Input, seenTopics: SeenTopics): unknown {
  const decoder = new PacketDecoder({ maximumPacketSize, seenTopics, ...(version && { protocolVersion: version }) });
  let received = 0;
  for (const chunk of chunks) {
    decoder.push(chunk);
    received += chunk.length;
    try {
      while (decoder.next() !== undefined);
    } catch (error) {
      return error;
    }
    const [held, unfinished] = [decoder['tail'].length, decoder['tailLength']];
    if (unfinished > received || held > Math.max(64, 2 * unfinished)) {
      return new Error(`${held} bytes are held for ${unfinished} unfinished of ${received} received`);
    }
  }
  return undefined;
}

describe('PacketDecoder under fuzzing', () => {
  it.each(Object.entries(inputs))('[A5] %s give packets or an MqttError, and bounded memory', (_name, arbitrary) => {
    const seenTopics = new SeenTopics();
    let refused = 0;

    fc.assert(
      fc.property(arbitrary, (input) => {
        const error = feed(input, seenTopics);

        if (error !== undefined && !(error instanceof MqttError)) throw error as Error;
        if (error) refused++;
      }),
      { numRuns },
    );

    expect(seenTopics['nameAt']).toHaveLength(4096);
    expect(seenTopics['nameAt'].every((name) => Buffer.byteLength(name) <= 128)).toBe(true);
    // Neither all refused nor none: the inputs reach past the first checks.
    expect(refused).toBeGreaterThan(numRuns / 20);
    expect(refused).toBeLessThan(numRuns);
  });
});
