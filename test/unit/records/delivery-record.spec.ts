import { describe, expect, it } from '@jest/globals';
import { Delivery } from '../../../lib/broker/delivery.js';
import { Message } from '../../../lib/broker/message.js';
import type { SharedSubscription } from '../../../lib/broker/shared-subscription.js';
import { decodeDelivery, encodeDelivery, shareOf } from '../../../lib/records/delivery-record.js';
import { hex } from '../../support/bytes.js';

const group = { name: '$share/g/a/+' } as SharedSubscription;
const groupOf = (name: string) => (name === group.name ? group : undefined);
const message = Message.of(
  { topic: 'a/b', payload: Buffer.from('kept'), qos: 2, retain: true, properties: { contentType: 't' } },
  0,
);

describe("a queue's entry", () => {
  it.each([0, 1, 65_535, 65_536, 70_000])('keeps %i Subscription Identifiers, and what stands behind them', (count) => {
    const identifiers = count === 0 ? undefined : Array.from({ length: count }, (_, index) => index + 1);

    const record = encodeDelivery(new Delivery(message, 1, true, identifiers, group), 1000);

    const read = decodeDelivery(record, 1000, groupOf);
    expect(read).toMatchObject({ qos: 1, retain: true, share: group });
    expect(read.identifiers).toEqual(identifiers);
    expect([read.message.topic, read.message.payload.toString()]).toEqual(['a/b', 'kept']);
    expect(shareOf(record)).toEqual({ share: group.name, qos: 1 });
  });

  it('is written as it was before, so that other versions of the broker can read it', () => {
    const delivery = new Delivery(message, 1, true, [3, 268_435_455], group);

    expect(encodeDelivery(delivery, 1000)).toEqual(
      hex(
        "01 05 0002 00000003 0fffffff 000c '$share/g/a/+' 408f400000000000" +
          "06 0003 'a/b' 04 03 0001 't' 00000004 'kept'",
      ),
    );
  });
});
