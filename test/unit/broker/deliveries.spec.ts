import { describe, expect, it } from '@jest/globals';
import { Deliveries, Delivery, DeliveryState, packetIdOf } from '../../../lib/broker/deliveries.js';
import { Message } from '../../../lib/broker/message.js';

const message = (payload = 'x') =>
  Message.of({ topic: 'a', payload: Buffer.from(payload), qos: 1, retain: false }, 1_700_000_000_000);

/** Adds `count` messages and gives their sequence numbers. */
const enqueue = (deliveries: Deliveries, count = 1, qos: 1 | 2 = 1): number[] =>
  Array.from({ length: count }, () => {
    const delivery = new Delivery(message(), qos, false, undefined, undefined);
    deliveries.enqueue(delivery);
    return delivery.sequence;
  });

function send(deliveries: Deliveries): Delivery {
  const delivery = deliveries.next()!;
  delivery.state = DeliveryState.Sent;
  return delivery;
}

const sequences = (deliveries: Deliveries): number[] => {
  const sent: number[] = [];
  for (let delivery = deliveries.next(); delivery; delivery = deliveries.next()) sent.push(delivery.sequence);
  return sent;
};

describe('Deliveries', () => {
  it('[MQTT-4.6.0-6] gives what waits in order, counted as sending', () => {
    const deliveries = new Deliveries();
    enqueue(deliveries, 3);
    expect([deliveries.queued, deliveries.sending, deliveries.length]).toEqual([3, 0, 3]);

    expect([send(deliveries).sequence, send(deliveries).sequence]).toEqual([0, 1]);

    expect([deliveries.queued, deliveries.sending, deliveries.length]).toEqual([1, 2, 3]);
  });

  it('numbers packets from 1 to 65,535 and then from 1 again', () => {
    const deliveries = new Deliveries();
    const packetIds: number[] = [];
    for (let count = 0; count < 65_537; count++) {
      enqueue(deliveries);
      const delivery = send(deliveries);
      packetIds.push(packetIdOf(delivery));
      deliveries.settle(delivery);
    }

    expect([packetIds[0], packetIds[65_534], packetIds[65_535], packetIds[65_536]]).toEqual([1, 65_535, 1, 2]);
  });

  it('holds back a message whose identifier would be in flight still', () => {
    const deliveries = new Deliveries();
    enqueue(deliveries, 65_536);
    const first = send(deliveries);
    for (let count = 1; count < 65_535; count++) deliveries.settle(send(deliveries));
    expect(deliveries.next()).toBeUndefined();

    deliveries.settle(first);

    expect(packetIdOf(send(deliveries))).toBe(1);
  });

  it('finds by packet identifier what is in flight, and nothing else', () => {
    const deliveries = new Deliveries();
    enqueue(deliveries, 4);
    const [one, two] = [send(deliveries), send(deliveries)];

    expect(deliveries.find(packetIdOf(one))).toBe(one);
    expect(deliveries.find(packetIdOf(two))).toBe(two);
    expect([3, 4, 5, 65_535].map((packetId) => deliveries.find(packetId))).toEqual(Array.from({ length: 4 }));
    deliveries.settle(one);
    expect(deliveries.find(1)).toBeUndefined();
    expect(deliveries.find(2)).toBe(two);
  });

  it('finds behind the gap that dropped messages leave', () => {
    const deliveries = new Deliveries();
    enqueue(deliveries, 10);
    send(deliveries);
    for (let count = 0; count < 5; count++) deliveries.dropOldest();
    const behind = send(deliveries);

    expect(behind.sequence).toBe(6);
    expect(deliveries.find(7)).toBe(behind);
    for (const packetId of [2, 3, 6, 8]) expect(deliveries.find(packetId)).toBeUndefined();
  });

  it('[MQTT-4.4.0-1] gives the unfinished again after `rewind`, then what waited', () => {
    const deliveries = new Deliveries();
    enqueue(deliveries, 6);
    const sent = [send(deliveries), send(deliveries), send(deliveries), send(deliveries)];
    deliveries.settle(sent[1]);
    deliveries.settle(sent[0]);

    deliveries.rewind();

    expect(deliveries.sending).toBe(0);
    expect(sequences(deliveries)).toEqual([2, 3, 4, 5]);
    expect(deliveries.sending).toBe(4);
  });

  it('[MQTT-4.9.0-3] leaves what has its PUBREC out of what is sent again, and does not count it', () => {
    const deliveries = new Deliveries();
    enqueue(deliveries, 3, 2);
    const sent = [send(deliveries), send(deliveries), send(deliveries)];
    sent[1].state = DeliveryState.Released;
    expect(deliveries.sending).toBe(3);

    deliveries.rewind();

    expect(deliveries.unfinished()).toEqual(sent);
    expect(sequences(deliveries)).toEqual([0, 2]);
    expect(deliveries.sending).toBe(2);
    deliveries.settle(sent[1]);
    expect(deliveries.sending).toBe(2);
  });

  it('an acknowledgement that comes before the message was sent again settles it', () => {
    const deliveries = new Deliveries();
    enqueue(deliveries, 3);
    const sent = [send(deliveries), send(deliveries), send(deliveries)];
    deliveries.rewind();
    send(deliveries);

    deliveries.settle(sent[2]);
    expect(deliveries.sending).toBe(1);
    deliveries.settle(sent[0]);

    expect(deliveries.sending).toBe(0);
    expect(sequences(deliveries)).toEqual([1]);
  });

  it('drops the oldest of those that wait, never what is in flight', () => {
    const deliveries = new Deliveries();
    enqueue(deliveries, 3);
    send(deliveries);

    expect([deliveries.dropOldest()?.sequence, deliveries.dropOldest()?.sequence]).toEqual([1, 2]);
    expect(deliveries.dropOldest()).toBeUndefined();

    expect([deliveries.queued, deliveries.queuedBytes, deliveries.length]).toEqual([0, 0, 1]);
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
});
