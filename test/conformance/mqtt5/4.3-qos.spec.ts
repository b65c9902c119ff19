import { expect, it } from '@jest/globals';
import { AllowAllAuth } from '../../../lib/auth/allow-all.auth.js';
import { PacketType } from '../../../lib/protocol/packets.js';
import { packetIdsOf, publishKept, readAll, readPublishes, resume } from '../../support/scenario.js';
import { describeAlsoInRedis, type TestBroker } from '../../support/test-broker.js';
import type { WireClient } from '../../support/wire-client.js';

const { PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;

describeAlsoInRedis('4.3 QoS', (start) => {
  async function pair(broker: TestBroker, qos: 0 | 1 | 2): Promise<[publisher: WireClient, subscriber: WireClient]> {
    const subscriber = await resume(broker, 'sub');
    await subscriber.subscribe('a', { qos });
    return [await broker.client(), subscriber];
  }

  it('[MQTT-4.3.1-1] sends QoS 0 with QoS 0 and DUP 0, and without packet identifier', async () => {
    const [publisher, subscriber] = await pair(await start(), 0);

    publisher.publish('a', { qos: 2, payload: 'x' });

    await subscriber.expectHex('30 05 0001 61 00 78');
  });

  it.each([
    ['MQTT-4.3.2-1', 1],
    ['MQTT-4.3.3-1', 2],
  ] as const)('[%s] gives each new message a packet identifier that is not in use, QoS %i', async (_id, qos) => {
    const [publisher, subscriber] = await pair(await start(), 2);
    for (let count = 0; count < 300; count++) publisher.publish('a', { qos });

    const packetIds = packetIdsOf(await readPublishes(subscriber, 300));

    expect(new Set(packetIds).size).toBe(300);
    expect(Math.min(...packetIds)).toBeGreaterThan(0);
  });

  it.each([
    ['MQTT-4.3.2-2', 1, '32 07 0001 61 0001 00 78'],
    ['MQTT-4.3.3-2', 2, '34 07 0001 61 0001 00 78'],
  ] as const)('[%s] sends a PUBLISH with that identifier and DUP 0, QoS %i', async (_id, qos, expected) => {
    const [publisher, subscriber] = await pair(await start(), 2);

    publisher.publish('a', { qos, payload: 'x', packetId: 4711, dup: true });

    await subscriber.expectHex(expected);
  });

  it('[MQTT-4.3.2-3] treats the message as unacknowledged until the PUBACK', async () => {
    const broker = await start();
    const [publisher, first] = await pair(broker, 1);
    publisher.publish('a', { qos: 1, payload: 'one' });
    publisher.publish('a', { qos: 1, payload: 'two' });
    const { packetId } = await first.expectPublish('a', 'one');
    first.acknowledge(PUBACK, packetId);
    await first.expectPublish('a', 'two');
    await first.settled();
    first.drop();

    const second = await resume(broker, 'sub');

    const again = await second.expectPublish('a', 'two', { dup: true });
    second.acknowledge(PUBACK, again.packetId);
    await second.settled();
    second.drop();
    await (await resume(broker, 'sub')).expectNothing();
  });

  it.each([
    ['MQTT-4.3.2-4', 1, '40 02 0102'],
    ['MQTT-4.3.3-8', 2, '50 02 0102'],
  ] as const)('[%s] acknowledges with the identifier of the PUBLISH, QoS %i', async (_id, qos, expected) => {
    const [publisher] = await pair(await start(), 2);

    publisher.publish('a', { qos, packetId: 0x0102 });

    await publisher.expectHex(expected);
  });

  it('[MQTT-4.3.2-5] takes the identifier for a new message after the PUBACK, whatever DUP says', async () => {
    const [publisher, subscriber] = await pair(await start(), 1);

    for (const dup of [false, true, false]) {
      await publishKept(publisher, 'a', { packetId: 7, dup, payload: `${dup}` });
      await subscriber.expectPublish('a', `${dup}`, { dup: false });
    }
  });

  it('[MQTT-4.3.3-3] treats a QoS 2 message as unacknowledged until the PUBREC', async () => {
    const broker = await start();
    const [publisher, first] = await pair(broker, 2);
    publisher.publish('a', { qos: 2, payload: 'x' });
    const { packetId } = await first.expectPublish('a', 'x');
    first.drop();

    const second = await resume(broker, 'sub');

    await second.expectPublish('a', 'x', { dup: true, packetId, qos: 2 });
    second.acknowledge(PUBREC, packetId);
    await second.expect({ type: PUBREL, packetId });
    await second.expectNothing();
  });

  it.each([0x00, 0x10])('[MQTT-4.3.3-4] answers a PUBREC 0x%i with PUBREL and the same identifier', async (code) => {
    const [publisher, subscriber] = await pair(await start(), 2);
    publisher.publish('a', { qos: 2, payload: 'x' });
    const { packetId } = await subscriber.expectPublish('a', 'x');

    subscriber.acknowledge(PUBREC, packetId, code);

    await subscriber.expect({ type: PUBREL, packetId, reasonCode: 0 });
  });

  it('[MQTT-4.3.3-4] answers a PUBREC of 0x80 and more with nothing: the message is done', async () => {
    const broker = await start();
    const [publisher, subscriber] = await pair(broker, 2);
    publisher.publish('a', { qos: 2, payload: 'x' });
    const { packetId } = await subscriber.expectPublish('a', 'x');

    subscriber.acknowledge(PUBREC, packetId, 0x97);

    await subscriber.expectNothing();
    subscriber.drop();
    await (await resume(broker, 'sub')).expectNothing();
  });

  it('[MQTT-4.3.3-5] [MQTT-4.3.3-6] repeats the PUBREL, and never the PUBLISH, until the PUBCOMP', async () => {
    const broker = await start();
    const [publisher, first] = await pair(broker, 2);
    publisher.publish('a', { qos: 2, payload: 'x' });
    const { packetId } = await first.expectPublish('a', 'x');
    first.acknowledge(PUBREC, packetId);
    await first.expect({ type: PUBREL, packetId });
    first.drop();

    const second = await resume(broker, 'sub');
    await second.expect({ type: PUBREL, packetId });
    await second.expectNothing();
    second.drop();
    const third = await resume(broker, 'sub');
    await third.expect({ type: PUBREL, packetId });
    third.acknowledge(PUBREC, packetId);
    await third.expect({ type: PUBREL, packetId });
    third.acknowledge(PUBCOMP, packetId);
    await third.settled();
    third.drop();

    await (await resume(broker, 'sub')).expectNothing();
  });

  it('[MQTT-4.3.3-7] does not expire a message whose PUBLISH was sent', async () => {
    const broker = await start();
    const [publisher, first] = await pair(broker, 2);
    for (const qos of [1, 2] as const) {
      publisher.publish('a', { qos, payload: `${qos}`, properties: { messageExpiryInterval: 5 } });
      await first.expectPublish('a', `${qos}`);
    }
    broker.clock.advance(60);
    first.drop();

    const second = await resume(broker, 'sub');

    await second.expectPublish('a', '1', { dup: true });
    const { packetId } = await second.expectPublish('a', '2', { dup: true });
    second.acknowledge(PUBREC, packetId);
    await second.expect({ type: PUBREL, packetId });
  });

  it('[MQTT-4.3.3-9] takes the identifier for a new message after a PUBREC that refused', async () => {
    class OneWord extends AllowAllAuth {
      override mayPublish(_client: unknown, topic: string): boolean {
        return topic === 'a';
      }
    }
    const [publisher, subscriber] = await pair(await start({ auth: new OneWord() }), 2);

    publisher.publish('b', { qos: 2, packetId: 7 });
    await publisher.expect({ type: PUBREC, packetId: 7, reasonCode: 0x87 });
    publisher.publish('a', { qos: 2, packetId: 7, payload: 'new' });

    await publisher.expect({ type: PUBREC, packetId: 7, reasonCode: 0 });
    await subscriber.expectPublish('a', 'new');
  });

  it('[MQTT-4.3.3-10] answers a repeated QoS 2 PUBLISH with PUBREC and delivers it once, until the PUBREL', async () => {
    const broker = await start();
    const [, subscriber] = await pair(broker, 2);
    const first = await resume(broker, 'pub');

    for (const dup of [false, true, true, false]) {
      first.publish('a', { qos: 2, packetId: 7, dup, payload: 'x' });
      await first.expect({ type: PUBREC, packetId: 7, reasonCode: 0 });
    }
    first.drop();
    const second = await resume(broker, 'pub');
    second.publish('a', { qos: 2, packetId: 7, dup: true, payload: 'x' });
    await second.expect({ type: PUBREC, packetId: 7, reasonCode: 0 });

    expect(await readAll(subscriber)).toHaveLength(1);
  });

  it('[MQTT-4.3.3-11] [MQTT-4.3.3-12] answers PUBREL with PUBCOMP, after which the identifier is new', async () => {
    const [publisher, subscriber] = await pair(await start(), 2);

    for (const payload of ['one', 'two']) {
      publisher.publish('a', { qos: 2, packetId: 0x0102, dup: true, payload });
      await publisher.expectHex('50 02 0102');
      publisher.acknowledge(PUBREL, 0x0102);
      await publisher.expectHex('70 02 0102');
      await subscriber.expectPublish('a', payload, { dup: false });
    }
    publisher.acknowledge(PUBREL, 0x0102);
    await publisher.expect({ type: PUBCOMP, packetId: 0x0102, reasonCode: 0x92 });
  });

  it('[MQTT-4.3.3-13] goes on with the handshake of a message that has expired', async () => {
    const broker = await start();
    const publisher = await broker.client();
    publisher.publish('a', { qos: 2, packetId: 7, payload: 'x', properties: { messageExpiryInterval: 1 } });
    await publisher.expect({ type: PUBREC, packetId: 7 });

    broker.clock.advance(60);

    publisher.publish('a', { qos: 2, packetId: 7, dup: true, properties: { messageExpiryInterval: 1 } });
    await publisher.expect({ type: PUBREC, packetId: 7, reasonCode: 0 });
    publisher.acknowledge(PUBREL, 7);
    await publisher.expect({ type: PUBCOMP, packetId: 7, reasonCode: 0 });
  });
});
