import { describe, expect, it } from '@jest/globals';
import { PacketType } from '../../lib/protocol/packets.js';
import type { Properties } from '../../lib/protocol/properties.js';
import { ReasonCode } from '../../lib/protocol/reason-codes.js';
import { cluster, until, untilQueued, untilWanted } from '../support/cluster.js';
import { acknowledgeWhole, publishWhole, receiveWhole } from '../support/exchanges.js';
import { leave, packetIdsOf, payloadsOf, publishKept, readAll, readPublishes, resume } from '../support/scenario.js';

const { startShared: start, redis, prefix } = cluster();
const { PUBACK, PUBCOMP, PUBREC, PUBREL } = PacketType;

const keysOfSessions = (): Promise<string[]> => redis().keysOfSessions(prefix());

describe('a session that outlives its connection, on another node', () => {
  it('goes on with its subscriptions and what was queued, at QoS 1 and 2, in order', async () => {
    const [one, other] = [await start(), await start()];
    const first = await resume(one, 'sub');
    await first.subscribe(['a/+', 'b'], { qos: 2 });
    await leave(first);
    const publisher = await other.client();
    await untilQueued(other, 'a/x');

    const qosOf = (number: number) => (number % 2 === 0 ? 1 : 2);
    for (let number = 0; number < 6; number++) {
      await publishWhole(publisher, 'a/x', { payload: String(number), qos: qosOf(number) });
    }
    await publishWhole(publisher, 'a/x', { payload: 'lost', qos: 0 });

    const again = await other.open();
    const connack = await again.connect({ clientId: 'sub', cleanStart: false });
    expect(connack.sessionPresent).toBe(true);
    const publishes = await readPublishes(again, 6);
    for (const [number, publish] of publishes.entries()) {
      expect(publish).toMatchObject({
        topic: 'a/x',
        payload: Buffer.from(String(number)),
        qos: qosOf(number),
        dup: false,
      });
      await acknowledgeWhole(again, publish);
    }
    await publishWhole(publisher, 'b', { payload: 'live' });
    await again.expectPublish('b', 'live');
  });

  it('[MQTT-4.4.0-1] sends what is unacknowledged again, with its packet identifiers: PUBLISH with DUP, and PUBREL', async () => {
    const [one, other] = [await start(), await start()];
    const first = await resume(one, 'sub');
    await first.subscribe('a', { qos: 2 });
    const publisher = await one.client();
    for (const payload of ['1', '2', '3', '4']) await publishWhole(publisher, 'a', { payload, qos: 2 });
    const sent = packetIdsOf(await readPublishes(first, 4));
    first.acknowledge(PUBREC, sent[1]);
    await first.expect({ type: PUBREL, packetId: sent[1] });
    first.acknowledge(PUBREC, sent[2]);
    await first.expect({ type: PUBREL, packetId: sent[2] });
    first.acknowledge(PUBCOMP, sent[2]);
    await first.settled();
    first.drop();
    await until(() => !one.broker.sessions.has('sub'));

    const again = await resume(other, 'sub');
    const packets = await readAll(again);

    const published = packets.filter(({ type }) => type === PacketType.PUBLISH);
    expect(published).toMatchObject([
      { packetId: sent[0], dup: true },
      { packetId: sent[3], dup: true },
    ]);
    expect(payloadsOf(published)).toEqual(['1', '4']);
    expect(packets.filter(({ type }) => type === PUBREL)).toMatchObject([{ packetId: sent[1] }]);
  });

  it('[MQTT-4.3.3-10] knows of a QoS 2 message that its publisher sends again there: nobody gets it twice', async () => {
    const [one, other] = [await start(), await start()];
    const clean = await other.client();
    await clean.subscribe('a', { qos: 2 });
    await (await resume(other, 'queued')).subscribe('a', { qos: 2 });
    await untilWanted(one, 'a');
    await untilQueued(one, 'a');
    const publisher = await resume(one, 'pub');
    const packetId = publisher.publish('a', { payload: 'x', qos: 2 });
    await publisher.expect({ type: PUBREC, packetId });
    publisher.drop();

    const again = await resume(other, 'pub');
    again.publish('a', { payload: 'x', qos: 2, packetId, dup: true });
    await again.expect({ type: PUBREC, packetId });
    again.acknowledge(PUBREL, packetId);
    await again.expect({ type: PUBCOMP, packetId, reasonCode: 0 });

    await receiveWhole(clean, 'a', 'x', { qos: 2 });
    await clean.expectNothing();
    expect(payloadsOf(await readAll(await resume(one, 'queued')))).toEqual(['x']);
  });

  it('[MQTT-4.3.3-11] has released the packet identifier when PUBREL comes there', async () => {
    const [one, other] = [await start(), await start()];
    const publisher = await resume(one, 'pub');
    const packetId = publisher.publish('a', { payload: 'x', qos: 2 });
    await publisher.expect({ type: PUBREC, packetId });
    publisher.drop();

    const again = await resume(other, 'pub');
    again.acknowledge(PUBREL, packetId);
    await again.expect({ type: PUBCOMP, packetId, reasonCode: ReasonCode.Success });
    again.acknowledge(PUBREL, packetId);
    await again.expect({ type: PUBCOMP, packetId, reasonCode: ReasonCode.PacketIdentifierNotFound });
    await (await resume(one, 'sub')).subscribe('a', { qos: 2 });
    await untilQueued(other, 'a');
    await publishWhole(again, 'a', { payload: 'new', qos: 2 });

    const subscriber = await resume(one, 'sub');
    await subscriber.expectPublish('a', 'new');
    await subscriber.expectNothing();
  });

  it('is taken over while its client is still connected: 0x8E there, nothing is lost here', async () => {
    const [one, other] = [await start(), await start()];
    const publisher = await one.client();
    let current = await resume(one, 'sub');
    await current.subscribe('a', { qos: 1 });
    await untilQueued(other, 'a');

    for (const [number, node] of [other, one, other, one].entries()) {
      const next = await resume(node, 'sub');
      await current.expectDisconnect(ReasonCode.SessionTakenOver);
      await publishKept(publisher, 'a', { payload: String(number) });
      const { packetId } = await next.expectPublish('a', String(number), { dup: false });
      next.acknowledge(PUBACK, packetId);
      await next.expectNothing();
      current = next;
    }
    expect([...one.broker.sessions.keys(), ...other.broker.sessions.keys()].filter((id) => id === 'sub')).toHaveLength(
      1,
    );
  });

  it('keeps one order, whichever nodes the messages come from, and reads a long queue piece by piece', async () => {
    const nodes = [await start(), await start(), await start()];
    const subscriber = await resume(nodes[0], 'sub');
    await subscriber.subscribe('a', { qos: 1 });
    await leave(subscriber);
    const publishers = await Promise.all(nodes.map((node) => node.client()));
    await Promise.all(nodes.map((node) => untilQueued(node, 'a')));
    const count = 700;

    await Promise.all(
      publishers.map(async (publisher, index) => {
        for (let number = 0; number < count; number++)
          publisher.publish('a', { payload: `${index} ${number}`, qos: 1 });
        for (let number = 0; number < count; number++) await publisher.expect({ type: PUBACK });
      }),
    );

    const again = await resume(nodes[1], 'sub');
    const heard: string[] = [];
    while (heard.length < 3 * count) {
      const [publish] = await readPublishes(again, 1);
      again.acknowledge(PUBACK, publish.packetId);
      heard.push(publish.payload.toString());
    }
    for (const index of [0, 1, 2]) {
      const own = heard.filter((payload) => payload.startsWith(`${index} `));
      expect(own).toEqual(Array.from({ length: count }, (_, number) => `${index} ${number}`));
    }
    await again.expectNothing();
  });

  it('gets live messages while it is connected elsewhere, at every QoS, once', async () => {
    const [one, other] = [await start(), await start()];
    const subscriber = await resume(one, 'sub');
    await subscriber.subscribe([
      { filter: 'a/#', qos: 1 },
      { filter: 'a/+', qos: 2 },
      { filter: 'zero', qos: 0 },
    ]);
    await untilQueued(other, 'a/x');
    await untilWanted(other, 'a/x');
    const publisher = await other.client();

    for (const qos of [0, 1, 2] as const) {
      await publishWhole(publisher, 'a/x', { payload: String(qos), qos });
      await receiveWhole(subscriber, 'a/x', String(qos), { qos });
    }
    await publishWhole(publisher, 'zero', { payload: 'x', qos: 2 });
    await subscriber.expectPublish('zero', 'x', { qos: 0 });
    await subscriber.expectNothing();
  });

  it('has No Local, Retain As Published, Subscription Identifiers and properties as on one node', async () => {
    const [one, other] = [await start(), await start()];
    const subscriber = await resume(one, 'sub');
    const filter = { filter: 'a', qos: 1, noLocal: true, retainAsPublished: true } as const;
    await subscriber.subscribe(filter, { properties: { subscriptionIdentifiers: [7] } });
    await leave(subscriber);
    const itself = await resume(other, 'sub');
    await publishKept(itself, 'a', { payload: 'own' });
    await leave(itself);
    const publisher = await other.client();
    const properties: Properties = { contentType: 'text', userProperties: [['k', 'v']], messageExpiryInterval: 100 };
    await publishKept(publisher, 'a', { payload: 'x', retain: true, properties });
    one.clock.advance(30);
    other.clock.advance(30);

    const again = await resume(one, 'sub');

    const { properties: received } = await again.expectPublish('a', 'x', { qos: 1, retain: true });
    expect(received).toEqual({ ...properties, messageExpiryInterval: 70, subscriptionIdentifiers: [7] });
    await again.expectNothing();
  });

  it('[MQTT-3.1.2-4] is discarded by a clean start anywhere, and leaves nothing behind', async () => {
    const [one, other] = [await start(), await start()];
    const first = await resume(one, 'sub');
    await first.subscribe(['a', '$share/g/b'], { qos: 1 });
    await leave(first);
    const publisher = await other.client();
    await untilQueued(other, 'a');
    await publishKept(publisher, 'a', { payload: 'x', properties: { messageExpiryInterval: 100 } });

    const clean = await other.open();
    const { sessionPresent } = await clean.connect({ clientId: 'sub', cleanStart: true });

    expect(sessionPresent).toBe(false);
    await clean.expectNothing();
    await untilQueued(one, 'a', 0);
    await until(() => one.broker.topics.size === 0 && other.broker.topics.size === 0);
    expect(await keysOfSessions()).toEqual([]);
  });

  it('[MQTT-4.8.2] gets a message of a durable publisher for itself and for each of its groups', async () => {
    const one = await start();
    const subscriber = await resume(one, 'sub');
    await subscriber.subscribe(['a', '$share/g/a', '$share/h/a'], { qos: 2 });

    await publishWhole(await resume(one, 'pub'), 'a', { payload: 'x', qos: 2 });

    expect(payloadsOf(await readAll(subscriber))).toEqual(['x', 'x', 'x']);
  });

  it('is over when its client unsubscribes from everything and says so with an expiry of 0', async () => {
    const [one, other] = [await start(), await start()];
    const first = await resume(one, 'sub');
    await first.subscribe(['a', 'b'], { qos: 1 });
    await untilQueued(other, 'a');
    first.send({ type: PacketType.UNSUBSCRIBE, packetId: 9, filters: ['a'] });
    await first.expect({ type: PacketType.UNSUBACK });
    await untilQueued(other, 'a', 0);
    await untilQueued(other, 'b');

    first.disconnect(0, { sessionExpiryInterval: 0 });
    await first.expectClosed();

    await untilQueued(other, 'b', 0);
    const again = await other.open();
    expect((await again.connect({ clientId: 'sub', cleanStart: false })).sessionPresent).toBe(false);
    expect(await keysOfSessions()).toEqual([]);
  });

  it('[A34] [MQTT-4.1.0-2] expires there too, and every key is given back', async () => {
    const [one, other] = [await start(), await start()];
    const first = await resume(one, 'sub', { sessionExpiryInterval: 60 });
    await first.subscribe(['a', '$share/g/a'], { qos: 2 });
    const publisher = await resume(other, 'pub', { sessionExpiryInterval: 60 });
    await untilQueued(other, 'a');
    for (const qos of [1, 2] as const) await publishWhole(publisher, 'a', { payload: 'x', qos });
    publisher.publish('a', { payload: 'half', qos: 2 });
    await publisher.expect({ type: PUBREC });
    await readAll(first);
    await leave(first);
    publisher.drop();
    await until(() => !other.broker.sessions.has('pub'));
    await publishKept(await other.client(), 'a', { payload: 'late', properties: { messageExpiryInterval: 5 } });

    for (const { clock } of [one, other]) clock.advance(62);

    // Who looks for what is due does so once a second.
    while ((await keysOfSessions()).length > 0) for (const { clock } of [one, other]) clock.advance(1);
    await untilQueued(one, 'a', 0);
    await untilQueued(other, 'a', 0);
    await until(() => one.broker.topics.size + other.broker.topics.size === 0);
    const again = await other.open();
    expect((await again.connect({ clientId: 'sub', cleanStart: false })).sessionPresent).toBe(false);
  });

  it('[A34] expires where it subscribed, and nothing is left of its subscriptions, though no other node looks', async () => {
    const one = await start();
    const first = await resume(one, 'sub', { sessionExpiryInterval: 60 });
    await first.subscribe('a', { qos: 1 });
    await leave(first);

    do one.clock.advance(62);
    while ((await keysOfSessions()).some((key) => !key.endsWith(':dsub')));

    await untilQueued(one, 'a', 0);
    expect(await keysOfSessions()).toEqual([]);
  });

  it('[A35] has its bounds wherever the messages come from', async () => {
    const limits = { maximumQueuedMessages: 3 };
    const [one, other] = [await start({}, { limits }), await start({}, { limits })];
    const first = await resume(one, 'sub');
    await first.subscribe('a', { qos: 1 });
    await leave(first);
    await untilQueued(other, 'a');
    const publisher = await other.client();

    for (let number = 0; number < 5; number++) await publishKept(publisher, 'a', { payload: String(number) });

    expect(other.broker.counters.messagesDropped).toBe(2);
    expect(payloadsOf(await readAll(await resume(one, 'sub')))).toEqual(['0', '1', '2']);
  });

  it('may have a client id with braces and whatever Redis makes of them', async () => {
    const [one, other] = [await start(), await start()];
    for (const clientId of ['}x', '{}', '{a}b', '__proto__', ' ']) {
      const first = await resume(one, clientId);
      await first.subscribe('a', { qos: 1 });
      await leave(first);
      const again = await other.open();
      expect((await again.connect({ clientId, cleanStart: false })).sessionPresent).toBe(true);
      again.disconnect(0);
      await again.expectClosed();
    }
  });
});
