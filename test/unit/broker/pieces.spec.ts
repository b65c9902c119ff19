import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { OwnFrame } from '../../../lib/broker/message.js';
import { Pieces } from '../../../lib/broker/pieces.js';

const chunks = [3, 120, 40_000].map((length, chunk) => Buffer.from(Array.from({ length }, (_, at) => chunk + at)));

type Step =
  | { readonly type: 'bytes' | 'patched' | 'identified'; readonly chunk: number; readonly length: number }
  | { readonly type: 'acknowledgement' };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    type: fc.constantFrom('bytes' as const, 'patched' as const, 'identified' as const),
    chunk: fc.nat(chunks.length - 1),
    length: fc.oneof(fc.integer({ min: 3, max: 12 }), fc.integer({ min: 3, max: 300 })),
  }),
  fc.record({ type: fc.constant('acknowledgement' as const) }),
);

/** Stages the steps, and says what bytes are to come of them: each frame copied and patched by itself. */
function stage(pieces: Pieces, steps: readonly Step[]): Buffer {
  const expected: Buffer[] = [];
  const positions = chunks.map(() => 0);
  for (const [index, one] of steps.entries()) {
    const packetId = (index * 257) % 65_536;
    const firstByte = 0x30 + (index % 16);
    if (one.type === 'acknowledgement') {
      pieces.addAcknowledgement(firstByte, packetId);
      expected.push(Buffer.from([firstByte, 2, packetId >> 8, packetId & 0xff]));
      continue;
    }
    const bytes = chunks[one.chunk];
    // Mostly neighbours, as the packets of a chunk are.
    const start = positions[one.chunk] + one.length > bytes.length ? 0 : positions[one.chunk];
    const end = Math.min(start + one.length, bytes.length);
    positions[one.chunk] = end;
    const packetIdAt = one.type === 'identified' ? start + 1 : 0;
    const own = Buffer.from(bytes.subarray(start, end));
    if (one.type === 'bytes') pieces.add(bytes, start, end);
    else own[0] = firstByte;
    if (one.type === 'patched') pieces.addPatched(new OwnFrame(bytes, start, end, 0), firstByte);
    if (one.type === 'identified') {
      own.writeUInt16BE(packetId, 1);
      pieces.addIdentified(new OwnFrame(bytes, start, end, packetIdAt), firstByte, packetId);
    }
    expected.push(own);
  }
  return Buffer.concat(expected);
}

function assembled(pieces: Pieces): Buffer {
  const target = Buffer.alloc(pieces.byteLength);
  pieces.copyTo(target);
  return target;
}

describe('Pieces', () => {
  it('are the frames one behind the other, each with its first byte and packet identifier', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.array(step, { maxLength: 20 }), (first, second) => {
        const pieces = Pieces.take();
        const expected = stage(pieces, first);
        expect(assembled(pieces).equals(expected)).toBe(true);
        pieces.giveBack();

        // Who takes them next finds nothing of it.
        const again = Pieces.take();
        const other = stage(again, second);
        expect(assembled(again).equals(other)).toBe(true);
        again.giveBack();
      }),
    );
  });

  it('are more acknowledgements than there are in one row', () => {
    const pieces = Pieces.take();
    const steps = Array.from({ length: 5000 }, () => ({ type: 'acknowledgement' }) as const);

    const expected = stage(pieces, steps);

    expect(assembled(pieces).equals(expected)).toBe(true);
    pieces.giveBack();
  });

  it('are written as they lie where they are neighbours and nothing is patched', () => {
    const [, , chunk] = chunks;
    const pieces = Pieces.take();
    for (let at = 100; at < 1000; at += 100) pieces.add(chunk, at, at + 100);

    const { single } = pieces;

    expect(single?.buffer).toBe(chunk.buffer);
    expect(single).toEqual(chunk.subarray(100, 1000));
    pieces.giveBack();
  });

  it('are not written as they lie where one of them is patched', () => {
    const [, chunk] = chunks;
    const pieces = Pieces.take();
    pieces.addPatched(new OwnFrame(chunk, 0, 10, 0), 0x31);

    expect(pieces.single).toBeUndefined();
    expect(assembled(pieces)).toEqual(Buffer.from([0x31, ...chunk.subarray(1, 10)]));
    pieces.giveBack();
  });
});
