import { describe, expect, it } from '@jest/globals';
import { PacketType } from '../../lib/protocol/packets.js';
import type { LmdbStore } from '../../lib/stores/lmdb.store.js';
import { diskNodes, endings } from '../support/disk-nodes.js';
import { acknowledgeWhole, publishWhole } from '../support/exchanges.js';
import { leave, payloadsOf, publishKept, readAll, readPublishes, resume, untilAway } from '../support/scenario.js';
import type { TestBroker } from '../support/test-broker.js';

const { PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;

/** Batches of messages that were published for clients while they are connected. */
const batchesOf = ({ broker }: TestBroker): number =>
  (broker.store as LmdbStore)['parts']!.file.tables.batches.getKeysCount();

describe.each(['commit', 'fsync'] as const)('a broker with an LmdbStore (%s)', (durability) => {
  const { start, startAfter } = diskNodes(durability);

  describe.each(endings)('that %s', (ending) => {
    it('[MQTT-4.1.0-1] has its sessions again, with subscriptions and queues, in order and as new', async () => {
      const node = await start();
      const client = await resume(node, 'sub');
      await client.subscribe(['a/#', 'b', '$share/g/c'], { qos: 2 });
      client.send({ type: PacketType.UNSUBSCRIBE, packetId: 9, filters: ['b'] });
      await client.expect({ type: PacketType.UNSUBACK });
      await leave(client);
      await untilAway(node, 'sub');
      const publisher = await node.client();
      for (let number = 0; number < 9; number++)
        await publishWhole(publisher, `a/${number % 2}`, { payload: String(number), qos: number % 2 === 0 ? 1 : 2 });
      await publishWhole(publisher, 'b', { payload: 'unsubscribed', qos: 1 });
      await publishWhole(publisher, 'c', { payload: 'shared', qos: 1 });

      const next = await startAfter(node, ending);
      await publishWhole(await next.client(), 'a/0', { payload: 'after', qos: 1 });
      const again = await next.open();
      const session = { clientId: 'sub', cleanStart: false, properties: { sessionExpiryInterval: 3600 } };
      expect((await again.connect(session)).sessionPresent).toBe(true);

      const publishes = await readPublishes(again, 11);
      expect(payloadsOf(publishes)).toEqual([...Array.from('012345678'), 'shared', 'after']);
      expect(publishes.map(({ dup }) => dup)).toEqual(publishes.map(() => false));
      for (const publish of publishes) await acknowledgeWhole(again, publish);
      await again.expectNothing();
      // What was acknowledged is gone for good.
      again.drop();
      await untilAway(next, 'sub');
      await (await resume(next, 'sub')).expectNothing();
    });

    it('[MQTT-4.4.0-1] sends again what was in flight, with its packet identifier and DUP', async () => {
      const node = await start();
      const client = await resume(node, 'sub');
      await client.subscribe('a', { qos: 2 });
      const publisher = await node.client();
      for (const payload of ['one', 'two']) await publishKept(publisher, 'a', { payload });
      await publishWhole(publisher, 'a', { payload: 'three', qos: 2 });
      const [one, two, three] = await readPublishes(client, 3);
      client.acknowledge(PUBACK, one.packetId);
      client.acknowledge(PUBREC, three.packetId);
      await client.expect({ type: PUBREL, packetId: three.packetId });

      const next = await startAfter(node, ending);
      const again = await resume(next, 'sub');

      const answers = [await again.next(), await again.next()];
      expect(answers).toMatchObject([
        { packetId: two.packetId, dup: true },
        { type: PUBREL, packetId: three.packetId },
      ]);
      again.acknowledge(PUBACK, two.packetId);
      again.acknowledge(PUBCOMP, three.packetId);
      await again.expectNothing();
    });

    it('keeps what is not acknowledged for long, with those behind it, in its order', async () => {
      const node = await start();
      const client = await resume(node, 'sub', { receiveMaximum: 3 });
      await client.subscribe('a', { qos: 2 });
      const publisher = await node.client();
      for (const payload of '01234567') await publishWhole(publisher, 'a', { payload, qos: payload === '2' ? 2 : 1 });
      const [first, second, third] = await readPublishes(client, 3);
      client.acknowledge(PUBACK, second.packetId);
      client.acknowledge(PUBREC, third.packetId);
      await client.expectPublish('a', '3');
      await client.expect({ type: PUBREL, packetId: third.packetId });

      node.clock.advance(60_000);
      await publishWhole(publisher, 'a', { payload: '8', qos: 1 });
      expect(batchesOf(node)).toBe(1);
      await leave(client);
      await untilAway(node, 'sub');
      await publishWhole(publisher, 'a', { payload: '9', qos: 1 });

      const next = await startAfter(node, ending);
      const again = await resume(next, 'sub');
      const packets = [];
      for (let count = 0; count < 9; count++) packets.push(await again.next());
      expect(packets[0]).toMatchObject({ packetId: first.packetId, dup: true });
      expect(packets[1]).toMatchObject({ type: PUBREL, packetId: third.packetId });
      expect(payloadsOf([packets[0], ...packets.slice(2)])).toEqual(Array.from('03456789'));
      await again.expectNothing();
    });

    it('keeps one message for many clients, each with what it has acknowledged', async () => {
      const node = await start();
      const names = ['one', 'two', 'three'];
      const clients = await Promise.all(names.map((name) => resume(node, name)));
      for (const client of clients) await client.subscribe('a', { qos: 1 });
      const publisher = await node.client();
      for (const payload of ['first', 'second']) await publishWhole(publisher, 'a', { payload, qos: 1 });
      const received = await Promise.all(clients.map((client) => readPublishes(client, 2)));
      clients[1].acknowledge(PUBACK, received[1][0].packetId);
      for (const { packetId } of received[2]) clients[2].acknowledge(PUBACK, packetId);
      await Promise.all(clients.map((client) => client.settled()));

      const next = await startAfter(node, ending);

      const left = [];
      for (const name of names) {
        const again = await resume(next, name);
        const packets = await readAll(again);
        left.push(payloadsOf(packets));
      }
      expect(left).toEqual([['first', 'second'], ['second'], []]);
    });

    it('[MQTT-4.3.3-10] takes a QoS 2 message that it has once, whenever it comes again', async () => {
      const node = await start();
      const subscriber = await resume(node, 'sub');
      await subscriber.subscribe('a', { qos: 1 });
      await leave(subscriber);
      const client = await resume(node, 'pub');
      const packetId = client.publish('a', { qos: 2, payload: 'once' });
      await client.expect({ type: PUBREC, packetId });

      const next = await startAfter(node, ending);
      const again = await resume(next, 'pub');
      again.publish('a', { qos: 2, payload: 'once', packetId, dup: true });
      await again.expect({ type: PUBREC, packetId });
      again.send({ type: PUBREL, packetId, reasonCode: 0 });
      await again.expect({ type: PUBCOMP, packetId, reasonCode: 0 });
      // Released, the identifier stands for another message.
      again.publish('a', { qos: 2, payload: 'another', packetId });
      await again.expect({ type: PUBREC, packetId });

      expect(payloadsOf(await readPublishes(await resume(next, 'sub'), 2))).toEqual(['once', 'another']);
    });

    it('has its retained messages again, and not those that were removed or have expired', async () => {
      const node = await start();
      const publisher = await node.client();
      const long = 'x'.repeat(2000);
      for (const topic of ['kept', 'removed', long])
        await publishKept(publisher, topic, { retain: true, payload: topic });
      await publishKept(publisher, 'removed', { retain: true });
      const properties = { messageExpiryInterval: 100, contentType: 'text/plain' };
      await publishKept(publisher, 'short', {
        retain: true,
        payload: 'short',
        properties: { messageExpiryInterval: 5 },
      });
      await publishKept(publisher, 'long', { retain: true, payload: 'long', properties });

      const next = await startAfter(node, ending);
      next.clock.advance(50);
      const client = await next.client();
      await client.subscribe('#');

      const found = await readPublishes(client, 3);
      expect(payloadsOf(found).sort()).toEqual(['kept', 'long', long].sort());
      const expiring = found.find(({ topic }) => topic === 'long')!;
      expect(expiring.properties).toEqual({ contentType: 'text/plain', messageExpiryInterval: 50 });
      await client.expectNothing();
    });

    it('ends sessions that have expired meanwhile, and forgets those that had no expiry interval', async () => {
      const node = await start();
      for (const [clientId, sessionExpiryInterval] of [
        ['short', 10],
        ['long', 1000],
        ['none', 0],
      ] as const) {
        const client = await resume(node, clientId, { sessionExpiryInterval });
        await client.subscribe('a', { qos: 1 });
        if (clientId !== 'none') await leave(client);
      }
      await untilAway(node, 'long');

      const next = await startAfter(node, ending);
      next.clock.advance(60);

      expect([...next.broker.sessions.keys()]).toEqual(['long']);
      expect(next.broker.topics.size).toBe(1);
    });

    it('ends what a clean start, or the end of a session, ends', async () => {
      const node = await start();
      const client = await resume(node, 'sub');
      await client.subscribe('a', { qos: 1 });
      await leave(client);
      await publishKept(await node.client(), 'a', { payload: 'gone' });
      const middle = await startAfter(node, ending);
      const clean = await middle.client(5, {
        clientId: 'sub',
        cleanStart: true,
        properties: { sessionExpiryInterval: 9 },
      });
      await clean.expectNothing();

      const last = await startAfter(middle, 'is stopped');
      const again = await resume(last, 'sub');
      await again.expectNothing();
      expect(last.broker.topics.size).toBe(0);
    });

    it('drops what comes beyond the bounds of a queue that nobody has read yet', async () => {
      const node = await start();
      const client = await resume(node, 'sub');
      await client.subscribe('a', { qos: 1 });
      await leave(client);
      await untilAway(node, 'sub');
      const publisher = await node.client();
      for (const payload of ['1', '2', '3']) await publishKept(publisher, 'a', { payload });

      for (const onQueueFull of ['dropNewest', 'dropOldest'] as const) {
        const next = await startAfter(node, 'is killed', { limits: { maximumQueuedMessages: 4, onQueueFull } });
        const other = await next.client();
        for (const payload of ['4', '5', '6']) await publishKept(other, 'a', { payload });
        const again = await resume(next, 'sub');
        const wanted = onQueueFull === 'dropNewest' ? '1234' : '3456';
        expect(payloadsOf(await readPublishes(again, 4)).join('')).toBe(wanted);
        expect(next.broker.counters.messagesDropped).toBe(2);
      }
      const strict = await startAfter(node, 'is killed', {
        limits: { maximumQueuedMessages: 3, onQueueFull: 'refuse' },
      });
      const other = await strict.client();
      const packetId = other.publish('a', { qos: 1, payload: '4' });
      await other.expect({ type: PUBACK, packetId, reasonCode: 0x97 });
    });

    it('hands what a session had for its group to others when that ends without having come back', async () => {
      const node = await start();
      const client = await resume(node, 'one', { sessionExpiryInterval: 100 });
      await client.subscribe('$share/g/a', { qos: 1 });
      await leave(client);
      await untilAway(node, 'one');
      await publishKept(await node.client(), 'a', { payload: 'x' });

      const next = await startAfter(node, ending);
      const other = await next.client();
      await other.subscribe('$share/g/a', { qos: 1 });
      next.clock.advance(102);

      await other.expectPublish('a', 'x');
    });
  });

  describe('publishes wills', () => {
    const will = (topic: string, willDelayInterval = 0) =>
      ({ topic, payload: Buffer.from(topic), qos: 1, retain: false, properties: { willDelayInterval } }) as const;

    /** A witness whose session lasts, and clients with wills of each kind. */
    const prepare = async () => {
      const node = await start();
      const witness = await resume(node, 'witness');
      await witness.subscribe('will/#', { qos: 1 });
      await leave(witness);
      await node.client(5, { clientId: 'none', will: will('will/none') });
      await node.client(5, { clientId: 'now', will: will('will/now'), properties: { sessionExpiryInterval: 60 } });
      await node.client(5, {
        clientId: 'later',
        will: will('will/later', 30),
        properties: { sessionExpiryInterval: 60 },
      });
      return node;
    };

    it('of connections that a kill has ended: at once, or after their delay', async () => {
      const next = await startAfter(await prepare(), 'is killed');
      next.clock.advance(1);
      const witness = await resume(next, 'witness');
      expect(payloadsOf(await readPublishes(witness, 2)).sort()).toEqual(['will/none', 'will/now']);
      await witness.expectNothing();
      next.clock.advance(31);
      await witness.expectPublish('will/later', 'will/later');
    });

    it('of clients that a stop has sent away: when their sessions end', async () => {
      const next = await startAfter(await prepare(), 'is stopped');
      next.clock.advance(40);
      const witness = await resume(next, 'witness');
      await witness.expectNothing();
      const back = await resume(next, 'now', { sessionExpiryInterval: 60 });
      next.clock.advance(30);
      await witness.expectPublish('will/later', 'will/later');
      await witness.expectNothing();
      back.drop();
    });

    it('not of clients that are back in time, nor twice', async () => {
      const next = await startAfter(await prepare(), 'is killed');
      await resume(next, 'later');
      next.clock.advance(40);
      const last = await startAfter(next, 'is stopped');
      last.clock.advance(100);
      const witness = await resume(last, 'witness');
      expect(payloadsOf(await readPublishes(witness, 2)).sort()).toEqual(['will/none', 'will/now']);
      await witness.expectNothing();
    });
  });
});
