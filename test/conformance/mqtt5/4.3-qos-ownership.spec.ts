import { expect, it } from '@jest/globals';
import { PacketType } from '../../../lib/protocol/packets.js';
import { leave, payloadsOf, readAll, readPublishes, resume, untilAway } from '../../support/scenario.js';
import { SlowStore } from '../../support/slow-store.js';
import { describeAlsoInRedis, type TestBroker } from '../../support/test-broker.js';
import type { WireClient } from '../../support/wire-client.js';

const { PUBACK, PUBREC } = PacketType;

describeAlsoInRedis('4.3 QoS, who owns a message', (start) => {
  async function pair(broker: TestBroker): Promise<[publisher: WireClient, subscriber: WireClient]> {
    const subscriber = await broker.client();
    await subscriber.subscribe('a', { qos: 2 });
    return [await broker.client(), subscriber];
  }

  /** A client that is away and has subscribed. */
  async function absent(broker: TestBroker): Promise<void> {
    const client = await resume(broker, 'absent');
    await client.subscribe('a', { qos: 2 });
    await leave(client);
    await untilAway(broker, 'absent');
  }

  /** Publishes while the store fails, is closed for it, and sends again what is acknowledged then. */
  async function failAndRepeat(
    broker: TestBroker,
    store: SlowStore,
    publisher: WireClient,
    dup: boolean,
  ): Promise<void> {
    const done = store.hold();
    publisher.publish('a', { qos: 2, payload: 'once', packetId: 7, dup });
    await turns();
    done(new Error('disk full'));
    await publisher.expectClosed();

    const again = await resume(broker, 'publisher');
    again.publish('a', { qos: 2, payload: 'once', packetId: 7, dup: true });
    await again.expect({ type: PUBREC, packetId: 7 });
  }

  const turns = async () => {
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  };

  it('[MQTT-4.3.2-4] acknowledges a QoS 1 message only once it owns it: the store is done', async () => {
    const store = new SlowStore();
    const [publisher, subscriber] = await pair(await start({ store }));
    const done = store.hold();

    publisher.publish('a', { qos: 1, payload: 'x' });
    await subscriber.expectPublish('a', 'x');
    let isAcknowledged = false;
    const acknowledged = publisher.next(PUBACK).then(() => (isAcknowledged = true));
    await turns();
    expect(isAcknowledged).toBe(false);

    done();
    await acknowledged;
  });

  it('[MQTT-4.3.3-8] acknowledges a QoS 2 message, and hands it on, only once it owns it', async () => {
    const store = new SlowStore();
    const [publisher, subscriber] = await pair(await start({ store }));
    const done = store.hold();

    publisher.publish('a', { qos: 2, payload: 'x' });
    const seen: string[] = [];
    const acknowledged = publisher.next(PUBREC).then(() => seen.push('acknowledged'));
    const delivered = subscriber.expectPublish('a', 'x').then(() => seen.push('delivered'));
    await turns();
    expect(seen).toEqual([]);

    done();
    await Promise.all([acknowledged, delivered]);
  });

  it('[MQTT-4.3.2-4] closes without an acknowledgement when the store fails, QoS 1', async () => {
    const store = new SlowStore();
    const broker = await start({ store });
    const [publisher, subscriber] = await pair(broker);
    const done = store.hold();

    publisher.publish('a', { qos: 1, payload: 'x' });
    await subscriber.expectPublish('a', 'x');
    done(new Error('disk full'));

    await publisher.expectClosed();
    await (await broker.client()).expectNothing();
  });

  it('[MQTT-4.3.3-8] closes without an acknowledgement when the store fails, and delivers once what comes again', async () => {
    const store = new SlowStore();
    const broker = await start({ store });
    const [, subscriber] = await pair(broker);
    const publisher = await resume(broker, 'publisher');
    await absent(broker);
    await failAndRepeat(broker, store, publisher, false);

    await subscriber.expectPublish('a', 'once');
    await subscriber.expectNothing();
    expect(payloadsOf(await readAll(await resume(broker, 'absent')))).toEqual(['once']);
  });

  it('[MQTT-4.3.3-10] knows a message that it has, when what was asked of the store since then fails', async () => {
    const store = new SlowStore();
    const broker = await start({ store });
    const [, subscriber] = await pair(broker);
    const publisher = await resume(broker, 'publisher');
    publisher.publish('a', { qos: 2, payload: 'once', packetId: 7 });
    await publisher.expect({ type: PUBREC, packetId: 7 });
    await subscriber.expectPublish('a', 'once');
    await failAndRepeat(broker, store, publisher, true);

    await subscriber.expectNothing();
  });

  it('[MQTT-4.6.0-6] keeps the order where a QoS 2 message has to wait', async () => {
    const store = new SlowStore();
    const [publisher, subscriber] = await pair(await start({ store }));
    const done = store.hold();

    for (const [payload, qos] of [
      ['1', 1],
      ['2', 2],
      ['3', 1],
      ['4', 2],
    ] as const)
      publisher.publish('a', { qos, payload });
    await subscriber.expectPublish('a', '1');
    await turns();
    done();

    expect(payloadsOf(await readPublishes(subscriber, 3))).toEqual(['2', '3', '4']);
  });
});
