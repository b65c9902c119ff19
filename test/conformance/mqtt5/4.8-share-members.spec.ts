import { expect, it } from '@jest/globals';
import { PacketType } from '../../../lib/protocol/packets.js';
import { payloads, publishWhole, receiveAll, receiveWhole } from '../../support/exchanges.js';
import { leave, resume, untilAway } from '../../support/scenario.js';
import { describeAlsoInRedis, type TestBroker } from '../../support/test-broker.js';
import type { WireClient } from '../../support/wire-client.js';

const { PUBACK, PUBREC } = PacketType;

/** 4.8.2 leaves to the server who gets a message, and what becomes of one whose member is gone; here is what ours does. */
describeAlsoInRedis('4.8 Members of a shared subscription', (start) => {
  it('take turns by default', async () => {
    const broker = await start();
    const members = await join(broker, 3);

    const received = await share(broker, members, ['a', 'a', 'a', 'a', 'a', 'a']);

    expect(received).toEqual([
      ['0', '3'],
      ['1', '4'],
      ['2', '5'],
    ]);
  });

  it('get all messages while the others are away', async () => {
    const broker = await start();
    const away = await resume(broker, 'away');
    await away.subscribe({ filter: '$share/g/+', qos: 1 });
    const [member] = await join(broker, 1);
    await leave(away);

    expect(await share(broker, [member], ['a', 'a', 'a'])).toEqual([['0', '1', '2']]);
    await (await resume(broker, 'away')).expectNothing();
  });

  it('find messages in their sessions when all were away', async () => {
    const broker = await start();
    const publisher = await broker.client();
    for (const clientId of ['one', 'two']) {
      const member = await resume(broker, clientId);
      await member.subscribe({ filter: '$share/g/a', qos: 1 });
      await leave(member);
    }

    for (const payload of ['x', 'y']) await publishWhole(publisher, 'a', { payload, qos: 1 });

    const received = [];
    for (const clientId of ['one', 'two']) received.push(...(await receiveAll(await resume(broker, clientId))));
    expect(payloads(received).sort()).toEqual(['x', 'y']);
  });

  it('inherit the unacknowledged QoS 1 messages of one whose session ends, as new ones', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const gone = await broker.client(5, { clientId: 'gone' });
    await gone.subscribe({ filter: '$share/g/a', qos: 1 });
    for (const payload of ['done', 'open']) await publishWhole(publisher, 'a', { payload, qos: 1 });
    const { packetId } = await gone.expectPublish('a', 'done');
    await gone.expectPublish('a', 'open');
    gone.acknowledge(PUBACK, packetId);
    await gone.settled();
    const heir = await broker.client();
    await heir.subscribe({ filter: '$share/g/a', qos: 1 });

    gone.drop();

    // [MQTT-4.3.2-2] DUP 0: it was never sent to this client
    await receiveWhole(heir, 'a', 'open', { qos: 1, dup: false });
    await heir.expectNothing();
  });

  it('inherit messages that wait behind the Receive Maximum, the sent one at QoS 2 not', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const gone = await broker.client(5, { clientId: 'gone', properties: { receiveMaximum: 1 } });
    await gone.subscribe({ filter: '$share/g/a', qos: 2 });
    for (const payload of ['sent', 'first', 'second']) await publishWhole(publisher, 'a', { payload, qos: 2 });
    await gone.expectPublish('a', 'sent');
    await gone.expectNothing();
    const heir = await broker.client();
    await heir.subscribe({ filter: '$share/g/a', qos: 2 });

    gone.drop();

    await heir.expectPublish('a', 'first', { qos: 2, dup: false });
    await heir.expectPublish('a', 'second', { qos: 2, dup: false });
    await heir.expectNothing();
  });

  it('inherit when the session expires, not while it waits', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const gone = await resume(broker, 'gone', { sessionExpiryInterval: 60 });
    await gone.subscribe({ filter: '$share/g/a', qos: 1 });
    await publishWhole(publisher, 'a', { payload: 'open', qos: 1 });
    await gone.expectPublish('a', 'open');
    const heir = await broker.client();
    await heir.subscribe({ filter: '$share/g/a', qos: 1 });
    await leave(gone);

    broker.clock.advance(50);
    await heir.expectNothing();
    broker.clock.advance(11);

    await receiveWhole(heir, 'a', 'open', { qos: 1 });
    await heir.expectNothing();
  });

  it('inherit from their own group only, and nothing that came by another subscription', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const gone = await broker.client(5, { clientId: 'gone' });
    await gone.subscribe([
      { filter: '$share/g/a', qos: 1 },
      { filter: 'b', qos: 1 },
    ]);
    for (const topic of ['a', 'b']) await publishWhole(publisher, topic, { payload: topic, qos: 1 });
    await gone.settled();
    const other = await broker.client();
    await other.subscribe([
      { filter: '$share/h/+', qos: 1 },
      { filter: '$share/g/b', qos: 1 },
    ]);

    gone.drop();
    await untilAway(broker, 'gone');

    await other.expectNothing();
  });

  it('inherit nothing that was refused', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const gone = await broker.client(5, { clientId: 'gone' });
    await gone.subscribe({ filter: '$share/g/a', qos: 2 });
    await publishWhole(publisher, 'a', { payload: 'one', qos: 1 });
    await publishWhole(publisher, 'a', { payload: 'two', qos: 2 });
    gone.acknowledge(PUBACK, (await gone.expectPublish('a', 'one')).packetId, 0x97);
    gone.acknowledge(PUBREC, (await gone.expectPublish('a', 'two')).packetId, 0x97);
    await gone.settled();
    const heir = await broker.client();
    await heir.subscribe({ filter: '$share/g/a', qos: 2 });

    await leave(gone);

    await heir.expectNothing();
  });

  it('are one when the strategy is sticky, until it leaves', async () => {
    const broker = await start({ shareStrategy: 'sticky' });
    const members = await join(broker, 3);

    const before = await share(broker, members, ['a', 'b', 'c', 'a']);
    const chosen = before.findIndex((received) => received.length > 0);
    expect(before[chosen]).toEqual(['0', '1', '2', '3']);
    await leave(members[chosen]);
    members.splice(chosen, 1);

    const after = await share(broker, members, ['a', 'b', 'c', 'a']);
    expect(after.filter(({ length }) => length === 4).length).toBe(1);
    expect(after.flat().length).toBe(4);
  });

  it('get all of one topic when the strategy is hashOfTopic', async () => {
    const broker = await start({ shareStrategy: 'hashOfTopic' });
    const members = await join(broker, 3);
    const topics = Array.from({ length: 30 }, (_, index) => `t${index}`);

    const first = await share(broker, members, topics);
    const second = await share(broker, members, topics);

    expect(second).toEqual(first);
    expect(first.filter(({ length }) => length > 0).length).toBeGreaterThan(1);
  });

  it('get all of one publisher when the strategy is hashOfClient', async () => {
    const broker = await start({ shareStrategy: 'hashOfClient' });
    const members = await join(broker, 3);
    const owners = new Set<number>();

    for (let count = 0; count < 20; count++) {
      const received = await share(broker, members, ['a', 'b', 'c'], `publisher ${count}`);
      const owner = received.findIndex(({ length }) => length > 0);
      expect(received[owner]).toEqual(['0', '1', '2']);
      owners.add(owner);
    }

    expect(owners.size).toBeGreaterThan(1);
  });

  it('with the least to acknowledge come first when the strategy is leastInFlight', async () => {
    const broker = await start({ shareStrategy: 'leastInFlight' });
    const publisher = await broker.client();
    const [slow, quick] = await join(broker, 2);
    await publishWhole(publisher, 'a', { payload: 'held', qos: 1 });
    const [holder, other] = (await isHolding(slow)) ? [slow, quick] : [quick, slow];

    for (const payload of ['1', '2', '3']) {
      await publishWhole(publisher, 'a', { payload, qos: 1 });
      await receiveWhole(other, 'a', payload);
      await other.settled();
    }

    await holder.expectNothing();
  });

  it('are chosen by a function of one’s own', async () => {
    const broker = await start({ shareStrategy: (members) => members.at(-1)! });
    const members = await join(broker, 3);

    const received = await share(broker, members, ['a', 'b', 'a']);

    expect(received).toEqual([[], [], ['0', '1', '2']]);
  });
});

/** Members of `$share/g/+` at QoS 1. */
async function join(broker: TestBroker, count: number): Promise<WireClient[]> {
  const members: WireClient[] = [];
  for (let index = 0; index < count; index++) {
    const member = await broker.client();
    await member.subscribe({ filter: '$share/g/+', qos: 1 });
    members.push(member);
  }
  return members;
}

/** Publishes to the topics, the payload is their number; gives what each member received. */
async function share(
  broker: TestBroker,
  members: readonly WireClient[],
  topics: readonly string[],
  clientId = 'publisher',
): Promise<string[][]> {
  const publisher = await broker.client(5, { clientId });
  for (const [index, topic] of topics.entries()) await publishWhole(publisher, topic, { payload: `${index}`, qos: 1 });
  await leave(publisher);
  return Promise.all(members.map(async (member) => payloads(await receiveAll(member))));
}

/** Reads the one message that waits, if there is one, and does not acknowledge it. */
async function isHolding(member: WireClient): Promise<boolean> {
  member.send({ type: PacketType.PINGREQ });
  const packet = await member.next();
  if (packet.type === PacketType.PINGRESP) return false;
  await member.expect({ type: PacketType.PINGRESP });
  return true;
}
