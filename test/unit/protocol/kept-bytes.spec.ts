import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { keptBytes } from '../../../lib/protocol/kept-bytes.js';
import { messageOverhead } from '../../../lib/broker/message.js';

describe('bytes that are kept', () => {
  it('are what they were copied from, whatever is kept and changed besides', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 50 }), (texts) => {
        const sources = texts.map((text) => Buffer.from(text));
        const copies = sources.map((source) => keptBytes(source));
        for (const source of sources) source.fill(0xff);
        expect(copies.map((copy) => [...copy])).toEqual(texts.map((text) => [...text]));
      }),
    );
    expect(keptBytes(Buffer.from('abcdef'), 2, 4).toString()).toBe('cd');
  });

  it('hold no more than four times what is counted for them, whichever of them stay', () => {
    const sizes = [8, 100, 250, 256, 257, 1000, 4000];
    for (const size of sizes) {
      const held = new Set<ArrayBufferLike>();
      let counted = 0;
      // Of many the few stay that keep the most memory alive.
      for (let index = 0; index < 2000; index++) {
        const copy = keptBytes(Buffer.alloc(size));
        if (held.has(copy.buffer)) continue;
        held.add(copy.buffer);
        counted += size + messageOverhead;
      }
      const bytes = [...held].reduce((sum, { byteLength }) => sum + byteLength, 0);
      expect(bytes).toBeLessThanOrEqual(counted * 4);
    }
  });
});
