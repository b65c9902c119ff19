import { expect, it } from '@jest/globals';
import { PacketType } from '../../../lib/protocol/packets.js';
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

  it.each([
    ['MQTT-4.3.2-4', 1, PUBACK],
    ['MQTT-4.3.3-8', 2, PUBREC],
  ] as const)('[%s] acknowledges only once it owns the message: the store is done, QoS %i', async (_id, qos, type) => {
    const store = new SlowStore();
    const [publisher, subscriber] = await pair(await start({ store }));
    const done = store.hold();

    publisher.publish('a', { qos, payload: 'x' });
    await subscriber.expectPublish('a', 'x');
    let isAcknowledged = false;
    const acknowledged = publisher.next(type).then(() => (isAcknowledged = true));
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(isAcknowledged).toBe(false);

    done();
    await acknowledged;
  });

  it.each([
    ['MQTT-4.3.2-4', 1],
    ['MQTT-4.3.3-8', 2],
  ] as const)('[%s] closes without an acknowledgement when the store fails, QoS %i', async (_id, qos) => {
    const store = new SlowStore();
    const broker = await start({ store });
    const [publisher, subscriber] = await pair(broker);
    const done = store.hold();

    publisher.publish('a', { qos, payload: 'x' });
    await subscriber.expectPublish('a', 'x');
    done(new Error('disk full'));

    await publisher.expectClosed();
    await (await broker.client()).expectNothing();
  });
});
