import { describe, expect, it } from '@jest/globals';
import { Deliveries } from '../../../lib/broker/deliveries.js';
import { Delivery, DeliveryState } from '../../../lib/broker/delivery.js';
import { Message } from '../../../lib/broker/message.js';

const message = (payload = 'x') =>
  Message.of({ topic: 'a', payload: Buffer.from(payload), qos: 1, retain: false }, 1_700_000_000_000);

/** Adds `count` messages and gives their sequence numbers. */
const enqueue = (deliveries: Deliveries, count = 1, qos: 1 | 2 = 1): number[] =>
  Array.from({ length: count }, () => {
    deliveries.enqueue(new Delivery(message(), qos, false, undefined, undefined));
    return deliveries.lastSequence;
  });

/** Sends the next one and gives its packet identifier. */
function send(deliveries: Deliveries): number {
  const index = deliveries.next();
  deliveries.mark(index, DeliveryState.Sent);
  return deliveries.packetIdAt(index);
}

const settle = (deliveries: Deliveries, packetId: number): void => deliveries.settle(deliveries.find(packetId));

/** Sequence numbers of all that can be sent. */
function sequences(deliveries: Deliveries): number[] {
  const sent: number[] = [];
  for (let index = deliveries.next(); index >= 0; index = deliveries.next()) sent.push(deliveries.sequenceAt(index));
  return sent;
}

describe('Deliveries', () => {
  it('[MQTT-4.6.0-6] gives what waits in order, counted as sending', () => {
    const deliveries = new Deliveries();
    enqueue(deliveries, 3);
    expect([deliveries.queued, deliveries.sending, deliveries.all().length]).toEqual([3, 0, 3]);

    expect([send(deliveries), send(deliveries)]).toEqual([1, 2]);

    expect([deliveries.queued, deliveries.sending, deliveries.all().length]).toEqual([1, 2, 3]);
  });

  it('numbers packets from 1 to 65,535 and then from 1 again', () => {
    const deliveries = new Deliveries();
    const packetIds: number[] = [];
    for (let count = 0; count < 65_537; count++) {
      enqueue(deliveries);
      const packetId = send(deliveries);
      packetIds.push(packetId);
      settle(deliveries, packetId);
    }

    expect([packetIds[0], packetIds[65_534], packetIds[65_535], packetIds[65_536]]).toEqual([1, 65_535, 1, 2]);
  });

  it('holds back a message whose identifier would be in flight still', () => {
    const deliveries = new Deliveries();
    enqueue(deliveries, 65_536);
    const first = send(deliveries);
    for (let count = 1; count < 65_535; count++) settle(deliveries, send(deliveries));
    expect(deliveries.next()).toBe(-1);

    settle(deliveries, first);

    expect(send(deliveries)).toBe(1);
  });

  it('finds by packet identifier what is in flight, and nothing else', () => {
    const deliveries = new Deliveries();
    enqueue(deliveries, 4);
    const [one, two] = [send(deliveries), send(deliveries)];

    expect([one, two].map((packetId) => deliveries.sequenceAt(deliveries.find(packetId)))).toEqual([0, 1]);
    expect([3, 4, 5, 65_535].map((packetId) => deliveries.find(packetId))).toEqual([-1, -1, -1, -1]);
    settle(deliveries, one);
    expect(deliveries.find(one)).toBe(-1);
    expect(deliveries.sequenceAt(deliveries.find(two))).toBe(1);
  });

  it('finds behind the gap that dropped messages leave', () => {
    const deliveries = new Deliveries();
    enqueue(deliveries, 10);
    send(deliveries);
    for (let count = 0; count < 5; count++) deliveries.dropOldest();
    const behind = send(deliveries);

    expect(behind).toBe(7);
    expect(deliveries.sequenceAt(deliveries.find(7))).toBe(6);
    for (const packetId of [2, 3, 6, 8]) expect(deliveries.find(packetId)).toBe(-1);
  });

  it('[MQTT-4.4.0-1] gives the unfinished again after `rewind`, then what waited', () => {
    const deliveries = new Deliveries();
    enqueue(deliveries, 6);
    const sent = [send(deliveries), send(deliveries), send(deliveries), send(deliveries)];
    settle(deliveries, sent[1]);
    settle(deliveries, sent[0]);

    deliveries.rewind();

    expect(deliveries.sending).toBe(0);
    expect(sequences(deliveries)).toEqual([2, 3, 4, 5]);
    expect(deliveries.sending).toBe(4);
  });

  it('[MQTT-4.9.0-3] leaves what has its PUBREC out of what is sent again, and does not count it', () => {
    const deliveries = new Deliveries();
    enqueue(deliveries, 3, 2);
    const sent = [send(deliveries), send(deliveries), send(deliveries)];
    deliveries.mark(deliveries.find(sent[1]), DeliveryState.Released);
    expect(deliveries.sending).toBe(3);

    deliveries.rewind();

    expect(deliveries.unfinished().map(({ packetId }) => packetId)).toEqual(sent);
    expect(sequences(deliveries)).toEqual([0, 2]);
    expect(deliveries.sending).toBe(2);
    settle(deliveries, sent[1]);
    expect(deliveries.sending).toBe(2);
  });

  it('an acknowledgement that comes before the message was sent again settles it', () => {
    const deliveries = new Deliveries();
    enqueue(deliveries, 3);
    const sent = [send(deliveries), send(deliveries), send(deliveries)];
    deliveries.rewind();
    send(deliveries);

    settle(deliveries, sent[2]);
    expect(deliveries.sending).toBe(1);
    settle(deliveries, sent[0]);

    expect(deliveries.sending).toBe(0);
    expect(sequences(deliveries)).toEqual([1]);
  });

  it('drops the oldest of those that wait, never what is in flight', () => {
    const deliveries = new Deliveries();
    enqueue(deliveries, 3);
    send(deliveries);

    expect([deliveries.dropOldest()?.sequence, deliveries.dropOldest()?.sequence]).toEqual([1, 2]);
    expect(deliveries.dropOldest()).toBeUndefined();

    expect([deliveries.queued, deliveries.queuedBytes, deliveries.all().length]).toEqual([0, 0, 1]);
  });

  it('counts the bytes of what waits', () => {
    const deliveries = new Deliveries();
    const { size } = message();
    enqueue(deliveries, 4);
    expect(deliveries.queuedBytes).toBe(4 * size);

    send(deliveries);
    expect(deliveries.queuedBytes).toBe(3 * size);
    deliveries.dropOldest();
    expect(deliveries.queuedBytes).toBe(2 * size);
    deliveries.rewind();
    expect(deliveries.queuedBytes).toBe(2 * size);
  });

  it('keeps the places that a store gives, wherever its slots go', () => {
    const deliveries = new Deliveries();
    for (let count = 1; count <= 100; count++) {
      enqueue(deliveries);
      deliveries.setLastPlace(1000 + count);
      if (count > 10) settle(deliveries, send(deliveries));
    }
    deliveries.move(95, 7);

    const places = deliveries.all().map(({ sequence, place }) => [sequence, place]);

    expect(places).toEqual(
      [90, 91, 92, 93, 94, 95, 96, 97, 98, 99].map((sequence) => [sequence, sequence === 95 ? 7 : 1001 + sequence]),
    );
  });

  it('gives room back when what was many is few again', () => {
    const deliveries = new Deliveries();
    enqueue(deliveries, 10_000);
    for (let count = 0; count < 9_990; count++) settle(deliveries, send(deliveries));

    for (let round = 0; round < 20; round++) deliveries.keep();

    expect(deliveries['slots'].length).toBeLessThan(256);
    expect(sequences(deliveries)).toEqual(Array.from({ length: 10 }, (_, index) => 9_990 + index));
  });

  it('does not grow while the oldest gives way and nothing is acknowledged', () => {
    const deliveries = new Deliveries();
    enqueue(deliveries, 10);
    for (let count = 0; count < 10; count++) send(deliveries);
    enqueue(deliveries, 10);

    for (let count = 0; count < 100_000; count++) {
      enqueue(deliveries);
      deliveries.dropOldest();
    }

    expect(deliveries['slots'].length).toBeLessThanOrEqual(128);
    expect(deliveries.queued).toBe(10);
  });
});
