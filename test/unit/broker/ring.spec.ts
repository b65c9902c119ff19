import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { Ring } from '../../../lib/broker/ring.js';

const contents = <T>(ring: Ring<T>): (T | undefined)[] =>
  Array.from({ length: ring.length }, (_, index) => ring.at(index));

/** Slots that it holds, used or not. */
const room = (ring: Ring<unknown>): number => (ring as unknown as { items: unknown[] }).items.length;

describe('Ring', () => {
  it('gives what was pushed, first in first out', () => {
    const ring = new Ring<string>();
    for (const item of ['a', 'b', 'c']) ring.push(item);

    expect(ring.length).toBe(3);
    expect([ring.shift(), ring.shift(), ring.shift(), ring.shift()]).toEqual(['a', 'b', 'c', undefined]);
    expect(ring.length).toBe(0);
  });

  it('gives undefined behind its last item and when it is empty', () => {
    const ring = new Ring<string>();
    expect(ring.at(0)).toBeUndefined();
    ring.push('a');

    expect(ring.at(0)).toBe('a');
    expect(ring.at(1)).toBeUndefined();
    expect(ring.at(8)).toBeUndefined();
  });

  it('keeps the order when it wraps and grows in the middle', () => {
    const ring = new Ring<number>();
    for (let number = 0; number < 6; number++) ring.push(number);
    for (let number = 0; number < 4; number++) ring.shift();
    for (let number = 6; number < 30; number++) ring.push(number);

    expect(contents(ring)).toEqual(Array.from({ length: 26 }, (_, index) => index + 4));
  });

  it('gives its room back as it empties', () => {
    const ring = new Ring<number>();
    for (let number = 0; number < 10_000; number++) ring.push(number);
    expect(room(ring)).toBeGreaterThanOrEqual(10_000);

    while (ring.length > 1) ring.shift();

    expect(ring.at(0)).toBe(9_999);
    expect(room(ring)).toBeLessThanOrEqual(64);
  });

  it('holds on to nothing that was shifted', () => {
    const ring = new Ring<object>();
    for (let number = 0; number < 20; number++) ring.push({});
    while (ring.shift());

    expect((ring as unknown as { items: unknown[] }).items.every((item) => item === undefined)).toBe(true);
  });

  it('does what an array does, whatever the order of pushes and shifts', () => {
    const steps = fc.array(fc.oneof(fc.nat(300), fc.integer({ min: -300, max: -1 })), { maxLength: 60 });
    fc.assert(
      fc.property(steps, (counts) => {
        const ring = new Ring<number>();
        const model: number[] = [];
        let next = 0;
        for (const count of counts) {
          for (let pushed = 0; pushed < count; pushed++) {
            ring.push(next);
            model.push(next++);
          }
          const taken = Array.from({ length: Math.max(0, -count) }, () => ring.shift());
          expect(taken).toEqual(Array.from(taken, () => model.shift()));
          expect(contents(ring)).toEqual(model);
        }
      }),
    );
  });
});
