import { describe, expect, it } from '@jest/globals';
import { PacketType, type PublishPacket } from '../../lib/protocol/packets.js';
import { ChangingAuth } from '../support/guarded-auth.js';
import {
  describeInMemory,
  leave,
  payloadsOf,
  publishKept,
  readAll,
  readPublishes,
  resume,
  untilAway,
} from '../support/scenario.js';
import { describeAlsoInRedis } from '../support/test-broker.js';

const { PUBACK, PUBLISH, SUBACK } = PacketType;

describeAlsoInRedis('rights that were revoked', (start) => {
  describe.each([
    ['answers at once', false],
    ['answers later', true],
  ])('by an Auth that %s', (_title, isAsync) => {
    it('[A23] end the subscriptions of a session that resumes, and take what waited for them out of its queue', async () => {
      const auth = new ChangingAuth(isAsync);
      const broker = await start({ auth });
      const device = await resume(broker, 'device');
      expect((await device.subscribe(['news/#', 'secret/#'], { qos: 1 })).reasonCodes).toEqual([1, 1]);
      await leave(device);
      await untilAway(broker, 'device');
      const publisher = await broker.client();
      for (const topic of ['secret/a', 'news/a', 'secret/b', 'news/b'])
        await publishKept(publisher, topic, { payload: topic });

      auth.refused.add('secret');
      const again = await resume(broker, 'device');

      expect(payloadsOf(await readPublishes(again, 2))).toEqual(['news/a', 'news/b']);
      await publishKept(publisher, 'secret/c');
      await publishKept(publisher, 'news/c', { payload: 'live' });
      await again.expectPublish('news/c', 'live');
      await again.expectNothing();
    });

    it('[A23] end the subscriptions of a client that is connected, at once', async () => {
      const auth = new ChangingAuth(isAsync);
      const broker = await start({ auth });
      const device = await broker.client(5, { clientId: 'device', username: 'ann' });
      const other = await broker.client(5, { clientId: 'other', username: 'bob' });
      for (const client of [device, other]) await client.subscribe(['secret/#', '$share/g/secret/#', 'news']);

      auth.refused.add('secret');
      auth.reauthorize('bob');
      const publisher = await broker.client();
      publisher.publish('secret/a', { payload: 'bob may, and nothing has changed for ann' });
      await publisher.expectNothing();
      auth.reauthorize('ann');
      // What was under way is done, so the next word of the broker is behind it.
      await device.settled();
      const before = payloadsOf(await readAll(device)).length;
      for (const _ of [1, 2, 3, 4]) publisher.publish('secret/b', { payload: 'revoked' });
      publisher.publish('news', { payload: 'still allowed' });

      await device.expectPublish('news', 'still allowed');
      await device.expectNothing();
      expect(before).toBeGreaterThan(0);
      // All of the group's, as it is alone in it now, and those of its own subscription.
      const heard = payloadsOf(await readAll(other)).filter((payload) => payload === 'revoked');
      expect(heard).toHaveLength(8);
    });
  });

  it('[A23] keep what was in flight from being sent again, and free its place', async () => {
    const auth = new ChangingAuth();
    const broker = await start({ auth });
    const device = await resume(broker, 'device', { receiveMaximum: 2 });
    await device.subscribe('#', { qos: 2 });
    const publisher = await broker.client();
    await publishKept(publisher, 'secret/one');
    publisher.publish('secret/two', { qos: 2 });
    await readPublishes(device, 2);
    device.drop();
    await untilAway(broker, 'device');
    await publishKept(await broker.client(), 'news/one', { payload: 'one' });

    auth.barred.add('secret');
    const again = await resume(broker, 'device', { receiveMaximum: 2 });

    await again.expectPublish('news/one', 'one', { dup: false });
    await again.expectNothing();
  });

  it('[A23] are asked for when a session is taken over, and may be granted again', async () => {
    const auth = new ChangingAuth();
    const broker = await start({ auth });
    const device = await resume(broker, 'device');
    await device.subscribe('secret/#', { qos: 1 });
    auth.refused.add('secret');

    // Takes the session over.
    const again = await resume(broker, 'device');
    await publishKept(await broker.client(), 'secret/a');
    await again.expectNothing();

    auth.refused.delete('secret');
    expect((await again.subscribe('secret/#', { qos: 1 })).reasonCodes).toEqual([1]);
    await publishKept(await broker.client(), 'secret/a', { payload: 'granted again' });
    await again.expectPublish('secret/a', 'granted again');
  });
});

describeAlsoInRedis('a denied subtree under an allowed wildcard', (start) => {
  const denied = () => {
    const auth = new ChangingAuth();
    auth.barred.add('secret');
    return auth;
  };

  it.each([0, 1, 2] as const)('[A24] is not received live at QoS %d; others receive it', async (qos) => {
    const broker = await start({ auth: denied() });
    const [device, other] = [await broker.client(5, { clientId: 'device' }), await broker.client()];
    for (const client of [device, other]) await client.subscribe('#', { qos });
    const publisher = await broker.client();

    publisher.publish('secret/a', { qos, payload: 'hidden' });
    publisher.publish('news/a', { qos, payload: 'seen' });

    await device.expectPublish('news/a', 'seen', { qos });
    await device.expectNothing();
    expect(payloadsOf(await readPublishes(other, 2))).toEqual(['hidden', 'seen']);
    expect(broker.broker.counters.messagesBarred).toBe(1);
  });

  it('[A24] is not received as retained', async () => {
    const broker = await start({ auth: denied() });
    const publisher = await broker.client();
    await publishKept(publisher, 'secret/a', { retain: true, payload: 'hidden' });
    await publishKept(publisher, 'news/a', { retain: true, payload: 'seen' });
    const device = await broker.client(5, { clientId: 'device' });

    await device.subscribe('#', { qos: 1 });

    await device.expectPublish('news/a', 'seen', { retain: true });
    await device.expectNothing();
  });

  it('[A24] is not received as a will', async () => {
    const broker = await start({ auth: denied() });
    const device = await broker.client(5, { clientId: 'device' });
    const other = await broker.client(5, { clientId: 'other' });
    for (const client of [device, other]) await client.subscribe('#', { qos: 1 });
    const will = { topic: 'secret/will', payload: Buffer.from('hidden'), qos: 1, retain: false } as const;

    (await broker.client(5, { clientId: 'dying', will })).drop();

    await other.expectPublish('secret/will', 'hidden');
    await device.expectNothing();
  });

  it('[A24] is not received from the queue of a client that was away', async () => {
    const broker = await start({ auth: denied() });
    const device = await resume(broker, 'device');
    await device.subscribe('#', { qos: 1 });
    await leave(device);
    await untilAway(broker, 'device');
    const publisher = await broker.client();
    await publishKept(publisher, 'secret/a', { payload: 'hidden' });
    await publishKept(publisher, 'news/a', { payload: 'seen' });

    const again = await resume(broker, 'device');

    await again.expectPublish('news/a', 'seen');
    await again.expectNothing();
  });

  it('[A24] goes to the members of a group who may receive it, and to nobody where there are none', async () => {
    const broker = await start({ auth: denied() });
    const [device, other] = [
      await broker.client(5, { clientId: 'device' }),
      await broker.client(5, { clientId: 'other' }),
    ];
    for (const client of [device, other]) await client.subscribe('$share/g/#', { qos: 1 });
    const publisher = await broker.client();

    for (const payload of ['1', '2', '3', '4']) await publishKept(publisher, 'secret/a', { payload });
    expect(payloadsOf(await readPublishes(other, 4))).toEqual(['1', '2', '3', '4']);
    await device.expectNothing();

    await leave(other);
    await untilAway(broker, 'other');
    await publishKept(publisher, 'secret/a', { payload: '5' });
    await publishKept(publisher, 'news/a', { payload: 'seen' });
    await device.expectPublish('news/a', 'seen');
    await device.expectNothing();
  });
});

describeInMemory('mayReceive', (start) => {
  it('is asked once for each topic of a client, and anew when rights have changed', async () => {
    const auth = new ChangingAuth();
    const broker = await start({ auth });
    const device = await broker.client(5, { clientId: 'device', username: 'ann' });
    await device.subscribe('#');
    const publisher = await broker.client();
    const publishAll = async () => {
      for (const topic of ['a', 'b', 'a', 'a', 'b']) publisher.publish(topic);
      await publisher.expectNothing();
    };

    await publishAll();
    expect(auth.asked).toEqual(['device a', 'device b']);
    auth.reauthorize('bob');
    await publishAll();
    expect(auth.asked).toHaveLength(2);
    auth.barred.add('b');
    broker.broker.reauthorize();
    await publishAll();

    expect(auth.asked).toEqual(['device a', 'device b', 'device a', 'device b']);
    const topics = (await readAll(device)).map((packet) => (packet as PublishPacket).topic);
    expect(topics).toEqual(['a', 'b', 'a', 'a', 'b', 'a', 'b', 'a', 'a', 'b', 'a', 'a', 'a']);
  });

  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('the database is gone');
      },
    ],
    ['answers with a promise', () => Promise.resolve(true)],
    ['answers with anything but true', () => 'yes'],
  ])('[A37] that %s lets nothing through, and costs others nothing', async (_title, answer) => {
    const auth = new ChangingAuth();
    auth.mayReceive = ({ clientId }) => (clientId === 'device' ? (answer() as boolean) : true);
    const broker = await start({ auth });
    const [device, other] = [await broker.client(5, { clientId: 'device' }), await broker.client()];
    for (const client of [device, other]) await client.subscribe('a', { qos: 1 });
    const publisher = await broker.client();

    const packetId = publisher.publish('a', { qos: 1, payload: 'for who may' });

    await publisher.expect({ type: PUBACK, packetId, reasonCode: 0 });
    await other.expect({ type: PUBLISH, payload: 'for who may' });
    await device.expectNothing();
    device.send({ type: PacketType.UNSUBSCRIBE, packetId: 9, filters: ['a'] });
    await device.expect({ type: PacketType.UNSUBACK });
  });

  it('[A23] refuses a client of a user who was revoked, and only that', async () => {
    const auth = new ChangingAuth();
    const broker = await start({ auth });
    const [ann, bob] = [await broker.client(5, { username: 'ann' }), await broker.client(5, { username: 'bob' })];

    auth.revoke('ann');

    await ann.expectDisconnect(0x87);
    expect(broker.broker.revoke('ann')).toBe(0);
    expect((await bob.subscribe('a')).type).toBe(SUBACK);
  });
});
