import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { hashOf, TextTable } from '../../../lib/topics/text-table.js';
import { valuesOf } from '../../support/tree-inspection.js';

const owners = [{ name: 'one' }, { name: 'two' }];

const step = fc.record({
  kind: fc.constantFrom('set' as const, 'set' as const, 'delete' as const),
  owner: fc.nat(1),
  text: fc.constantFrom('', 'a', 'b', 'ab', 'abc', 'ä', '€', ...Array.from({ length: 40 }, (_, index) => `t${index}`)),
  /** Few hashes, so that texts collide and rows of slots run into each other. */
  hash: fc.constantFrom(1, 2, 7, 8, -1, 0x7fff_ffff),
});

describe('TextTable', () => {
  it('answers like a Map through any history, however hashes collide', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const table = new TextTable<object, number>();
        const reference = new Map<string, { readonly owner: object; readonly hash: number; readonly value: number }>();
        const hashes = new Map<string, number>();
        for (const [value, { kind, owner: which, text, hash: drawn }] of steps.entries()) {
          const owner = owners[which];
          const name = `${which} ${text}`;
          const hash = hashes.get(text) ?? drawn;
          hashes.set(text, hash);
          if (kind === 'set') {
            table.set(owner, hash, text, value);
            reference.set(name, { owner, hash, value });
          } else {
            table.delete(owner, hash, text);
            reference.delete(name);
          }
        }

        expect(table['count']).toBe(reference.size);
        expect(new Set(valuesOf(table))).toEqual(new Set([...reference.values()].map(({ value }) => value)));
        for (const [text, hash] of hashes) {
          for (const [which, owner] of owners.entries()) {
            const expected = reference.get(`${which} ${text}`)?.value;
            expect(table.get(owner, hash, text)).toBe(expected);
            expect(table.get(owner, hash, `<<${text}>>`, 2, 2 + text.length)).toBe(expected);
          }
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('gives its room back', () => {
    const table = new TextTable<undefined, number>();
    const texts = Array.from({ length: 10_000 }, (_, index) => `text/${index}`);
    for (const [index, text] of texts.entries()) table.set(undefined, hashOf(text), text, index);

    for (const text of texts) table.delete(undefined, hashOf(text), text);

    expect(table['count']).toBe(0);
    expect(table['cells'].length).toBeLessThanOrEqual(64);
  });
});

describe('hashOf', () => {
  it('is that of the part of a text, and goes on where another ended', () => {
    expect(hashOf('<<a/b>>', 2, 5)).toBe(hashOf('a/b'));
    expect(hashOf('b', 0, 1, hashOf('a/'))).toBe(hashOf('a/b'));
  });

  it('spreads names that differ in little over all slots', () => {
    const slots = new Set(Array.from({ length: 4096 }, (_, index) => hashOf(`sensors/${index}`) & 4095));

    // By chance 63% of them.
    expect(slots.size).toBeGreaterThan(4096 * 0.55);
  });
});
