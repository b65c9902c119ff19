import fc, { type Arbitrary } from 'fast-check';
import { encodePacket } from '../../lib/protocol/packet-encoder.js';
import type { ProtocolVersion } from '../../lib/protocol/packets.js';
import { anyPacket } from './packet-arbitraries.js';

type Damage = (bytes: Buffer) => Buffer;

const at = fc.nat({ max: 1000 });
const byte = fc.oneof(fc.constantFrom(0x00, 0x01, 0x7f, 0x80, 0xff), fc.integer({ min: 0, max: 255 }));

/** One change to a valid packet: a byte set, a bit turned, two bytes set high, bytes put in, taken out or repeated. */
const damage: Arbitrary<Damage> = fc.oneof(
  fc.tuple(at, byte).map(([place, value]) => write(place, [value])),
  fc.tuple(at, fc.nat({ max: 7 })).map(
    ([place, bit]): Damage =>
      (bytes) =>
        write(place, [bytes[place % bytes.length] ^ (1 << bit)])(bytes),
  ),
  at.map((place) => write(place, [0xff, 0xff])),
  fc.tuple(at, fc.array(byte, { minLength: 1, maxLength: 4 })).map(([place, values]) => splice(place, 0, values)),
  fc.tuple(at, fc.integer({ min: 1, max: 4 })).map(([place, count]) => splice(place, count, [])),
  at.map(
    (place): Damage =>
      (bytes) =>
        Buffer.concat([bytes, bytes.subarray(place % bytes.length)]),
  ),
);

function write(place: number, values: readonly number[]): Damage {
  return (bytes) => {
    const copy = Buffer.from(bytes);
    copy.set(values.slice(0, copy.length - (place % copy.length)), place % copy.length);
    return copy;
  };
}

function splice(place: number, removed: number, inserted: readonly number[]): Damage {
  return (bytes) => {
    const start = place % bytes.length;
    return Buffer.concat([bytes.subarray(0, start), Buffer.from(inserted), bytes.subarray(start + removed)]);
  };
}

/** A valid packet after one to three changes, never empty. */
export const spoiledPacket = (version: ProtocolVersion): Arbitrary<Buffer> =>
  fc
    .tuple(anyPacket(version), fc.array(damage, { minLength: 1, maxLength: 3 }))
    .map(([packet, damages]) =>
      damages.reduce((bytes, change) => (bytes.length === 0 ? bytes : change(bytes)), encodePacket(packet, version)),
    );

/** A valid packet, changed in its body and behind a Remaining Length that fits again. */
export const spoiledBody = (version: ProtocolVersion): Arbitrary<Buffer> =>
  spoiledPacket(version).map((bytes) => Buffer.concat([bytes.subarray(0, 1), reframed(bytes.subarray(2))]));

function reframed(body: Buffer): Buffer {
  const kept = body.subarray(0, 127);
  return Buffer.concat([Buffer.from([kept.length]), kept]);
}
