import { Duplex } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { Barrier } from '../../../lib/broker/barrier.js';
import { OwnFrame } from '../../../lib/broker/message.js';
import { Outbox } from '../../../lib/broker/outbox.js';

/** What a peer is given. */
function peer(): { readonly outbox: Outbox; readonly written: Buffer[] } {
  const written: Buffer[] = [];
  const stream = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      written.push(chunk);
      done();
    },
  });
  const outbox = new Outbox(stream, new Barrier([], () => {}), 1_000_000, () => {});
  outbox.packet(Buffer.from([0x20, 2, 0, 0]));
  return { outbox, written };
}

describe('Outbox', () => {
  it('[A17] keeps no chunk alive for a peer that reads slowly of which it is given a small part', () => {
    const chunk = Buffer.alloc(1_000_000, 0x30);
    const { outbox, written } = peer();
    outbox.flush();

    outbox.publish(new OwnFrame(chunk, 100, 400, 0), 0x30);
    outbox.flush();

    expect(written.at(-1)!.equals(chunk.subarray(100, 400))).toBe(true);
    expect(written.at(-1)!.buffer).not.toBe(chunk.buffer);
  });

  it('writes most of a chunk as it lies', () => {
    const chunk = Buffer.alloc(65_536, 0x30);
    const { outbox, written } = peer();
    outbox.flush();

    outbox.publish(new OwnFrame(chunk, 100, 60_000, 0), 0x30);
    outbox.flush();

    expect(written.at(-1)!.buffer).toBe(chunk.buffer);
  });
});
