import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { Deliveries } from '../../../lib/broker/deliveries.js';
import { Delivery, DeliveryState } from '../../../lib/broker/delivery.js';
import { Message } from '../../../lib/broker/message.js';
import { makeShareStrategy } from '../../../lib/broker/share-strategy.js';
import { SharedSubscription } from '../../../lib/broker/shared-subscription.js';

interface Entry {
  readonly sequence: number;
  readonly share: object | undefined;
  readonly expiresAt: number;
}

const newShare = () => new SharedSubscription('$share/g/a', makeShareStrategy('roundRobin'));
const shares = [undefined, undefined, newShare(), newShare()];
/** The first never expires, the others in 4 and 8 seconds; all have the same size. */
const messages = [undefined, 4, 8].map((messageExpiryInterval) => {
  const properties = messageExpiryInterval === undefined ? undefined : { messageExpiryInterval };
  return Message.of({ topic: 'a', payload: Buffer.from('x'), qos: 2, retain: false, properties }, 0);
});
const [{ size }] = messages;
const packetIds = 65_535;

/** The same in two arrays, searched from the front. */
class NaiveDeliveries {
  nextSequence = 0;
  waiting: Entry[] = [];
  /** Unacknowledged, in their order; `isSent` says whether on this connection, `isReleased` whether PUBREC came. */
  inFlight: (Entry & { isSent: boolean; isReleased: boolean })[] = [];

  next(): Entry | undefined {
    const again = this.inFlight.find(({ isSent, isReleased }) => !isSent && !isReleased);
    if (again) {
      again.isSent = true;
      return again;
    }
    const [entry] = this.waiting;
    const [first] = this.inFlight;
    if (!entry || (first && entry.sequence - first.sequence >= packetIds)) return undefined;
    this.waiting.shift();
    this.inFlight.push({ ...entry, isSent: true, isReleased: false });
    return entry;
  }

  find(packetId: number): Entry | undefined {
    return this.inFlight.find(({ sequence }) => (sequence % packetIds) + 1 === packetId);
  }
}

type Step =
  | { readonly type: 'enqueue' | 'fly' | 'next' | 'drop'; readonly count: number }
  | { readonly type: 'settle' | 'release'; readonly pick: number }
  | { readonly type: 'take'; readonly share: number }
  | { readonly type: 'expire'; readonly seconds: number }
  | { readonly type: 'rewind' | 'skip' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      type: fc.constantFrom('enqueue' as const, 'fly' as const, 'next' as const),
      count: fc.integer({ min: 1, max: 6 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ type: fc.constantFrom('settle' as const, 'release' as const), pick: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('drop' as const), count: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('take' as const), share: fc.integer({ min: 2, max: 3 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('expire' as const), seconds: fc.integer({ min: 0, max: 12 }) }),
  },
  { weight: 1, arbitrary: fc.constant({ type: 'rewind' } as const) },
  { weight: 1, arbitrary: fc.constant({ type: 'skip' } as const) },
);

class Comparison {
  readonly deliveries = new Deliveries();
  readonly naive = new NaiveDeliveries();

  /** @param passed messages that came and went before */
  constructor(passed: number) {
    Object.assign(this.deliveries, { nextSequence: passed });
    this.naive.nextSequence = passed;
  }

  apply(one: Step): void {
    switch (one.type) {
      case 'enqueue':
        for (let count = 0; count < one.count; count++) this.enqueue();
        return;
      case 'fly':
        for (let count = 0; count < one.count; count++) this.fly();
        return;
      case 'next':
        for (let count = 0; count < one.count; count++) this.next();
        return;
      case 'drop':
        for (let count = 0; count < one.count; count++) {
          expect(this.deliveries.dropOldest()?.sequence).toBe(this.naive.waiting.shift()?.sequence);
        }
        return;
      case 'skip':
        // So many that were dropped: the next is nearly, or more than, all packet identifiers ahead.
        for (let count = 0; count < 33_000; count++) {
          this.enqueue();
          this.deliveries.dropOldest();
          this.naive.waiting.shift();
        }
        return;
      case 'settle':
      case 'release':
        this.acknowledge(one.type, one.pick);
        return;
      case 'take':
        this.take(shares[one.share]!);
        return;
      case 'expire':
        this.expire(one.seconds * 1000);
        return;
      case 'rewind':
        this.deliveries.rewind();
        for (const entry of this.naive.inFlight) entry.isSent = false;
        return;
    }
  }

  /** Whether both look the same from outside. */
  compare(): void {
    const { deliveries, naive } = this;
    expect(deliveries.queued).toBe(naive.waiting.length);
    expect(deliveries.queuedBytes).toBe(naive.waiting.length * size);
    const sending = naive.inFlight.filter(({ isSent }) => isSent).length;
    expect([deliveries.sending, deliveries.sendingBytes]).toEqual([sending, sending * size]);
    expect(deliveries.all().length).toBe(naive.waiting.length + naive.inFlight.length);
    const inFlight = naive.inFlight.map(({ sequence }) => sequence);
    expect(deliveries.unfinished().map(({ sequence }) => sequence)).toEqual(inFlight);
    const asked = new Set([1, 2, packetIds - 1, packetIds]);
    for (const { sequence } of [...naive.inFlight, ...naive.waiting.slice(0, 3)]) {
      for (const near of [sequence - 1, sequence, sequence + 1]) asked.add((near % packetIds) + 1);
    }
    for (const packetId of asked)
      expect(this.sequenceAt(deliveries.find(packetId))).toBe(naive.find(packetId)?.sequence);
    const used = naive.inFlight.map(({ sequence }) => sequence % packetIds);
    expect(new Set(used).size).toBe(used.length);
  }

  private enqueue(): void {
    this.deliveries.enqueue(this.arrive());
    expect(this.deliveries.lastSequence).toBe(this.naive.nextSequence - 1);
  }

  /** What is sent as it comes, where nothing stands before it. */
  private fly(): void {
    const { deliveries, naive } = this;
    if (!deliveries.isNextFree) {
      this.enqueue();
      return;
    }
    const index = deliveries.fly(this.arrive());
    expect(this.sequenceAt(index)).toBe(naive.next()?.sequence);
    expect(deliveries.lastSequence).toBe(naive.nextSequence - 1);
    deliveries.mark(index, DeliveryState.Sent);
  }

  private arrive(): Delivery {
    const { naive } = this;
    const sequence = naive.nextSequence++;
    const share = shares[sequence % shares.length];
    const qos = sequence % 3 === 0 ? 2 : 1;
    const message = messages[sequence % messages.length];
    const delivery = new Delivery(message, qos, false, undefined, share);
    naive.waiting.push({ sequence, share, expiresAt: message.expiresAt });
    return delivery;
  }

  private next(): void {
    const index = this.deliveries.next();
    expect(this.sequenceAt(index)).toBe(this.naive.next()?.sequence);
    if (index >= 0) this.deliveries.mark(index, DeliveryState.Sent);
  }

  private sequenceAt(index: number): number | undefined {
    return index < 0 ? undefined : this.deliveries.sequenceAt(index);
  }

  private acknowledge(type: 'settle' | 'release', pick: number): void {
    const { inFlight } = this.naive;
    if (inFlight.length === 0) return;
    const index = pick % inFlight.length;
    const packetId = (inFlight[index].sequence % packetIds) + 1;
    const found = this.deliveries.find(packetId);
    expect(this.deliveries.packetIdAt(found)).toBe(packetId);
    if (type === 'release') {
      this.deliveries.mark(found, DeliveryState.Released);
      inFlight[index].isReleased = true;
    } else {
      this.deliveries.settle(found);
      inFlight.splice(index, 1);
    }
  }

  private expire(now: number): void {
    const taken = this.naive.waiting.filter(({ expiresAt }) => expiresAt <= now);
    this.naive.waiting = this.naive.waiting.filter(({ expiresAt }) => expiresAt > now);
    expect(this.deliveries.takeExpired(now).map(({ sequence }) => sequence)).toEqual(
      taken.map(({ sequence }) => sequence),
    );
  }

  private take(share: SharedSubscription): void {
    const taken = this.naive.waiting.filter((entry) => entry.share === share);
    this.naive.waiting = this.naive.waiting.filter((entry) => entry.share !== share);
    expect(this.deliveries.takeShared(new Set([share])).map(({ sequence }) => sequence)).toEqual(
      taken.map(({ sequence }) => sequence),
    );
  }
}

describe('Deliveries against a naive model', () => {
  it.each([0, 65_520, 131_060])('does the same, however it was used, after %i messages', (passed) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const comparison = new Comparison(passed);
        for (const one of steps) {
          comparison.apply(one);
          comparison.compare();
        }
      }),
      { numRuns: process.env.MQTTD_TEST_LONG ? 2000 : 60 },
    );
  });
});
