import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { encodePacket } from '../../lib/protocol/packet-encoder.js';
import { PacketType, type ProtocolVersion } from '../../lib/protocol/packets.js';
import { duplexPair } from '../../lib/listeners/duplex-pair.js';
import { anyPacket, versions } from '../support/packet-arbitraries.js';
import { spoiledBody, spoiledPacket } from '../support/spoiled-bytes.js';
import { startBroker, type TestBroker } from '../support/test-broker.js';

/** `npm run test:fuzz` sets a million. */
const numRuns = Number(process.env.MQTTD_FUZZ_RUNS ?? 2000);

/** What one client sends behind its CONNECT: valid packets and spoiled ones. */
const conversation = fc.constantFrom(...versions).chain((version) =>
  fc.record({
    version: fc.constant(version),
    packets: fc.array(
      fc.oneof(
        { weight: 3, arbitrary: anyPacket(version).map((packet) => encodePacket(packet, version)) },
        { weight: 2, arbitrary: spoiledBody(version) },
        { weight: 1, arbitrary: spoiledPacket(version) },
      ),
      { minLength: 1, maxLength: 6 },
    ),
  }),
);

const connect = (version: ProtocolVersion): Buffer =>
  encodePacket(
    { type: PacketType.CONNECT, protocolVersion: version, cleanStart: true, keepAlive: 0, clientId: 'fuzz' },
    version,
  );

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('Broker under fuzzing', () => {
  it('[A5] whatever a client sends harms nobody else and leaves nothing behind', async () => {
    const errors: string[] = [];
    const test = await startBroker({
      limits: { maximumRetainedMessages: 100, maximumRetainedBytes: 1_000_000 },
      // Of a million conversations only the errors are kept.
      log: { log() {}, warn() {}, debug() {}, error: (line) => errors.push(line) },
    });
    const witness = await test.client(5, { clientId: 'witness' });

    await fc.assert(
      fc.asyncProperty(conversation, async ({ version, packets }) => {
        const stream = open(test);
        stream.write(Buffer.concat([connect(version), ...packets]));
        await turn();
        stream.destroy();
        await turn();
      }),
      { numRuns, endOnFailure: true },
    );

    await witness.settled();
    const { broker } = test;
    expect(errors).toEqual([]);
    expect([...broker.sessions.keys()]).toEqual(['witness']);
    expect(broker.connections.size).toBe(1);
    expect(broker.topics.size).toBe(0);
    // The conversations reached the handlers, and some were refused there or before.
    expect(broker.counters.messagesReceived).toBeGreaterThan(numRuns / 200);
    expect(broker.counters.protocolErrors).toBeGreaterThan(numRuns / 200);
    await test.stop();
  });
});

function open({ broker }: TestBroker) {
  const [ours, theirs] = duplexPair();
  ours.resume();
  broker.accept(theirs, { listener: 'memory', tls: false });
  return ours;
}
