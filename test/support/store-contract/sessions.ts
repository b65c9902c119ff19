import { expect, it } from '@jest/globals';
import { PacketType } from '../../../lib/protocol/packets.js';
import { ReasonCode } from '../../../lib/protocol/reason-codes.js';
import { publishWhole, receiveWhole } from '../exchanges.js';
import { leave, publishKept, resume, untilAway } from '../scenario.js';
import type { StartInPlace } from '../store-contract.js';
import { goesOn, isWanted, untilUnwanted } from './in-time.js';

/** Sessions go on, are taken over, are discarded and expire. */
export function promisesOfSessions(start: StartInPlace): void {
  it('[MQTT-3.1.2-5] lets a session go on with its subscriptions, whether its client said goodbye or not', async () => {
    const node = await start();
    const publisher = await node.client();
    const first = await resume(node, 'sub');
    await first.subscribe(['a', 'b/+', 'c']);
    first.send({ type: PacketType.UNSUBSCRIBE, packetId: 9, filters: ['c'] });
    await first.expect({ type: PacketType.UNSUBACK });
    await leave(first);

    const second = await resume(node, 'sub');
    await publishWhole(publisher, 'a', { payload: '1' });
    await publishWhole(publisher, 'c', { payload: 'not' });
    await second.expectPublish('a', '1');
    second.drop();
    await untilAway(node, 'sub');

    const third = await node.open();
    const { sessionPresent } = await third.connect({ clientId: 'sub', cleanStart: false });
    expect(sessionPresent).toBe(true);
    await publishWhole(publisher, 'b/x', { payload: '2' });
    await third.expectPublish('b/x', '2');
    await third.expectNothing();
  });

  it('keeps the options of subscriptions: QoS, No Local, Retain As Published, identifier', async () => {
    const node = await start();
    const publisher = await node.client();
    const first = await resume(node, 'sub');
    const identified = { properties: { subscriptionIdentifiers: [7] } };
    await first.subscribe({ filter: 'a', qos: 1, noLocal: true, retainAsPublished: true }, identified);
    await first.subscribe({ filter: 'b', qos: 2 });
    await first.subscribe({ filter: 'b', qos: 0 });
    await leave(first);

    const again = await resume(node, 'sub');
    await publishWhole(again, 'a', { payload: 'own', qos: 2 });
    await publishWhole(publisher, 'a', { payload: 'x', qos: 2, retain: true });
    await publishWhole(publisher, 'b', { payload: 'y', qos: 2, retain: true });

    const properties = { subscriptionIdentifiers: [7] };
    await receiveWhole(again, 'a', 'x', { qos: 1, retain: true, properties });
    await again.expectPublish('b', 'y', { qos: 0, retain: false, properties: undefined });
    await again.expectNothing();
  });

  it('[MQTT-3.2.2-3] has no session of a client that never had one, or whose session ended with its connection', async () => {
    const node = await start();
    const brief = await node.client(5, { clientId: 'brief' });
    await brief.subscribe('a');
    await leave(await resume(node, 'other'));
    await leave(brief);

    expect([await goesOn(node, 'brief'), await goesOn(node, 'never'), await goesOn(node, 'other')]).toEqual([
      false,
      false,
      true,
    ]);
  });

  it('[MQTT-3.1.2-4] discards all of a session at a clean start', async () => {
    const node = await start();
    const publisher = await node.client();
    const first = await resume(node, 'sub');
    await first.subscribe(['a', '$share/g/b'], { qos: 2 });
    await publishWhole(publisher, 'a', { payload: 'in flight', qos: 1 });
    await first.expectPublish('a', 'in flight');
    const packetId = first.publish('c', { qos: 2 });
    await first.expect({ type: PacketType.PUBREC });
    await leave(first);
    for (const topic of ['a', 'b']) await publishKept(publisher, topic, { payload: 'queued' });

    const clean = await node.open();
    const { sessionPresent } = await clean.connect({ clientId: 'sub', cleanStart: true });

    expect(sessionPresent).toBe(false);
    clean.acknowledge(PacketType.PUBREL, packetId);
    await clean.expect({ type: PacketType.PUBCOMP, reasonCode: ReasonCode.PacketIdentifierNotFound });
    await clean.expectNothing();
    expect([await isWanted(publisher, 'a'), await isWanted(publisher, 'b')]).toEqual([false, false]);
  });

  it('[MQTT-3.1.4-3] lets a client take over its session, again and again, and loses nothing over it', async () => {
    const node = await start();
    const publisher = await node.client();
    let current = await resume(node, 'sub');
    await current.subscribe('a', { qos: 1 });

    for (let number = 0; number < 4; number++) {
      await publishKept(publisher, 'a', { payload: String(number) });
      const { packetId } = await current.expectPublish('a', String(number), { dup: false });
      const next = await resume(node, 'sub');
      await current.expectDisconnect(ReasonCode.SessionTakenOver);
      await next.expectPublish('a', String(number), { dup: true, packetId });
      next.acknowledge(PacketType.PUBACK, packetId);
      await next.expectNothing();
      current = next;
    }
  });

  it('[MQTT-3.1.2-23] ends a session when it expires, and not before', async () => {
    const node = await start();
    const publisher = await node.client();
    for (const clientId of ['short', 'long']) {
      const sessionExpiryInterval = clientId === 'short' ? 60 : 10_000;
      const client = await resume(node, clientId, { sessionExpiryInterval });
      await client.subscribe(clientId, { qos: 1 });
      await leave(client);
    }

    node.clock.advance(59);
    expect(await isWanted(publisher, 'short')).toBe(true);
    node.clock.advance(2);

    await untilUnwanted(node, publisher, 'short');
    expect([await goesOn(node, 'short'), await goesOn(node, 'long')]).toEqual([false, true]);
  });

  it('does not count the time that a client was connected or came back in', async () => {
    const node = await start();
    for (let round = 0; round < 3; round++) {
      const client = await resume(node, 'sub', { sessionExpiryInterval: 60 });
      node.clock.advance(100);
      await leave(client);
      node.clock.advance(50);
    }

    expect(await goesOn(node, 'sub')).toBe(true);
  });

  it('takes the session expiry interval of the newest CONNECT, and of DISCONNECT', async () => {
    const node = await start();
    const publisher = await node.client();
    for (const clientId of ['shorter', 'longer', 'over']) {
      const client = await resume(node, clientId, { sessionExpiryInterval: 1000 });
      await client.subscribe(clientId, { qos: 1 });
      await leave(client);
    }
    const shorter = await resume(node, 'shorter', { sessionExpiryInterval: 10 });
    await leave(shorter);
    const longer = await resume(node, 'longer', { sessionExpiryInterval: 10 });
    longer.disconnect(0, { sessionExpiryInterval: 1000 });
    await longer.expectClosed();
    const over = await resume(node, 'over', { sessionExpiryInterval: 0 });
    await leave(over);

    await untilUnwanted(node, publisher, 'over');
    node.clock.advance(12);

    await untilUnwanted(node, publisher, 'shorter');
    expect([await goesOn(node, 'over'), await goesOn(node, 'shorter'), await goesOn(node, 'longer')]).toEqual([
      false,
      false,
      true,
    ]);
  });

  it('keeps a session of MQTT 3.1.1 for ever', async () => {
    const node = await start();
    const first = await node.client(4, { clientId: 'sub', cleanStart: false });
    await first.subscribe('a', { qos: 1 });
    await leave(first);

    node.clock.advance(200_000);
    await publishKept(await node.client(), 'a', { payload: 'x' });

    const again = await node.client(4, { clientId: 'sub', cleanStart: false });
    await again.expectPublish('a', 'x', { qos: 1 });
  });

  it('keeps sessions apart whose clients have odd names', async () => {
    const node = await start();
    const names = ['}x', '{}', '{a}b', '__proto__', ' ', 'a', 'A', 'ä', 'a*', 'x'.repeat(1000)];
    for (const clientId of names) {
      const client = await resume(node, clientId);
      await client.subscribe(`t/${names.indexOf(clientId)}`, { qos: 1 });
      await leave(client);
    }
    const publisher = await node.client();
    for (const index of names.keys()) await publishKept(publisher, `t/${index}`, { payload: String(index) });

    for (const [index, clientId] of names.entries()) {
      const again = await resume(node, clientId);
      await receiveWhole(again, `t/${index}`, String(index), { qos: 1 });
      await again.expectNothing();
    }
  });
}
