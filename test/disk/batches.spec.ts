import { describe, expect, it } from '@jest/globals';
import { Delivery } from '../../lib/broker/delivery.js';
import { Message } from '../../lib/broker/message.js';
import type { Session } from '../../lib/broker/session.js';
import { Batches, readBatch } from '../../lib/disk/batches.js';
import type { Journal } from '../../lib/disk/journal.js';
import { decodeDelivery } from '../../lib/records/delivery-record.js';

const deliveryOf = (payload: string, responseTopic = 'r'): Delivery => {
  const fields = {
    topic: 'a',
    payload: Buffer.from(payload),
    qos: 1,
    retain: false,
    properties: { responseTopic },
  } as const;
  return new Delivery(Message.of(fields, 0), 1, false, undefined, undefined);
};

describe('Batches', () => {
  it('keep nothing of a message that cannot be encoded, and all of those around it', () => {
    const written: Buffer[] = [];
    const journal = { put: (_table: string, _key: number, value: Buffer) => written.push(value) };
    const batches = new Batches(journal as unknown as Journal);
    const session = {} as Session;
    batches.add(session, 1, deliveryOf('first'), 0, 0);
    expect(() => batches.add(session, 1, deliveryOf('x', 'r'.repeat(70_000)), 1, 0)).toThrow(RangeError);
    batches.add(session, 1, deliveryOf('last'), 2, 0);
    batches.write();

    const entries = [...readBatch(written[0], undefined)];
    const payloads = entries.map(({ delivery }) =>
      decodeDelivery(delivery, 0, () => undefined).message.payload.toString(),
    );
    expect(payloads).toEqual(['first', 'last']);
    expect(entries.map(({ sequence }) => sequence)).toEqual([0, 2]);
  });
});
