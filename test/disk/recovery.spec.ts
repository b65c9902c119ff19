import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { PacketType } from '../../lib/protocol/packets.js';
import { LmdbStore } from '../../lib/stores/lmdb.store.js';
import { diskNodes, endings } from '../support/disk-nodes.js';
import { publishWhole } from '../support/exchanges.js';
import { leave, payloadsOf, publishKept, readAll, readPublishes, resume, untilAway } from '../support/scenario.js';
import type { TestBroker } from '../support/test-broker.js';
import type { WireClient } from '../support/wire-client.js';

const { PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;

/** Everything that comes, however many times, each answered as a client does. */
async function readToTheEnd(client: WireClient): Promise<string[]> {
  const payloads: string[] = [];
  for (;;) {
    const packets = await readAll(client);
    if (packets.length === 0) return payloads;
    for (const packet of packets) {
      if (packet.type === PacketType.PUBLISH) {
        payloads.push(`${packet.dup ? 'again ' : ''}${packet.payload.toString()}`);
        client.acknowledge(packet.qos === 1 ? PUBACK : PUBREC, packet.packetId);
      } else if (packet.type === PUBREL) {
        client.acknowledge(PUBCOMP, packet.packetId);
      }
    }
  }
}

/** A client that is away, and has subscribed to `a`. */
async function absent(node: TestBroker, clientId = 'sub', sessionExpiryInterval = 3600): Promise<void> {
  const client = await resume(node, clientId, { sessionExpiryInterval });
  await client.subscribe('a', { qos: 2 });
  await leave(client);
  await untilAway(node, clientId);
}

/** Says of a tick that it was not kept, though it was: as a disk that is full for a moment. */
class FailingStore extends LmdbStore {
  isFailing = false;

  override commit(): Promise<void> | undefined {
    const kept = super.commit();
    if (!this.isFailing) return kept;
    return (kept ?? Promise.resolve()).then(() => {
      throw new Error('no space left');
    });
  }
}

describe('what a broker with an LmdbStore finds when it starts', () => {
  const nodes = diskNodes('commit');
  const { start, startAfter } = nodes;

  describe('in flight', () => {
    it('[MQTT-4.3.3-4] sends nothing twice and leaves nothing out, where more was in flight than one connection may have', async () => {
      const limits = { maximumInFlight: 3 };
      const node = await start(undefined, { limits });
      const first = await resume(node, 'sub');
      await first.subscribe('a', { qos: 2 });
      const publisher = await node.client();
      for (const payload of '012345') await publishWhole(publisher, 'a', { payload, qos: 2 });
      for (const { packetId } of await readPublishes(first, 3)) {
        first.acknowledge(PUBREC, packetId);
        await first.expect({ type: PUBREL, packetId });
      }
      first.drop();
      await untilAway(node, 'sub');
      const second = await resume(node, 'sub');
      for (let count = 0; count < 3; count++) await second.expect({ type: PUBREL });
      const [, { packetId }] = await readPublishes(second, 3);
      second.acknowledge(PUBREC, packetId);
      await second.expect({ type: PUBREL, packetId });

      const next = await startAfter(node, 'is killed', { limits });

      expect(await readToTheEnd(await resume(next, 'sub'))).toEqual(['again 3', 'again 5']);
    });

    it('[MQTT-4.3.3-4] the same where fewer may be in flight than before', async () => {
      const node = await start();
      const client = await resume(node, 'sub');
      await client.subscribe('a', { qos: 2 });
      const publisher = await node.client();
      for (const payload of '012345') await publishWhole(publisher, 'a', { payload, qos: 2 });
      const sent = await readPublishes(client, 6);
      for (const index of [1, 4]) {
        client.acknowledge(PUBREC, sent[index].packetId);
        await client.expect({ type: PUBREL, packetId: sent[index].packetId });
      }

      const next = await startAfter(node, 'is killed', { limits: { maximumInFlight: 3 } });

      expect(await readToTheEnd(await resume(next, 'sub'))).toEqual(['again 0', 'again 2', 'again 3', 'again 5']);
    });

    it.each(endings)('remembers over a second end what was never sent (it %s)', async (ending) => {
      const node = await start();
      const client = await resume(node, 'sub');
      await client.subscribe('a', { qos: 1 });
      await publishKept(await node.client(), 'a', { payload: 'sent' });
      await readPublishes(client, 1);
      const second = await startAfter(node, ending);
      const expiring = { payload: 'expires', properties: { messageExpiryInterval: 10 } };
      await publishKept(await second.client(), 'a', expiring);
      await publishKept(await second.client(), 'a', { payload: 'waits' });

      const third = await startAfter(second, ending, {}, 100);

      expect(await readToTheEnd(await resume(third, 'sub'))).toEqual(['again sent', 'waits']);
    });
  });

  describe('of time that has passed', () => {
    // When it was killed is known when it starts again.
    it.each([
      ['is stopped', [true, true, false]],
      ['is killed', [true, true, true, false]],
    ] as const)('counts the Session Expiry Interval from the first end, however often it %s', async (ending, found) => {
      let node = await start();
      await (await resume(node, 'sub')).subscribe('a', { qos: 1 });
      for (const isThere of found) {
        node = await startAfter(node, ending, {}, 1500);
        node.clock.advance(1);
        expect(node.broker.sessions.has('sub')).toBe(isThere);
      }
    });

    it('[MQTT-4.1.0-2] does not go on with a session that has expired, even for the first who connects', async () => {
      const node = await start();
      await absent(node);
      await publishKept(await node.client(), 'a', { payload: 'old' });

      const next = await startAfter(node, 'is stopped', {}, 3 * 86_400);
      const again = await next.open();
      const session = { clientId: 'sub', cleanStart: false, properties: { sessionExpiryInterval: 3600 } };

      expect(await again.connect(session)).toMatchObject({ sessionPresent: false });
      await again.expectNothing();
      expect(next.broker.topics.size).toBe(0);
    });

    const will = { topic: 'w', payload: Buffer.from('gone'), qos: 1, retain: false } as const;
    const delayed = { ...will, properties: { willDelayInterval: 60 } };

    it.each([
      ['after its delay, when it was killed and then stopped', 'is killed', 'is stopped', 60],
      ['when the session ends, when it was stopped and then killed', 'is stopped', 'is killed', 3600],
    ] as const)('publishes a will %s', async (_title, first, second, dueAfter) => {
      const node = await start();
      const witness = await resume(node, 'witness', { sessionExpiryInterval: 0xffff_ffff });
      await witness.subscribe('w', { qos: 1 });
      await resume(node, 'other');
      const properties = { sessionExpiryInterval: 3600 };
      await node.client(5, { clientId: 'sub', cleanStart: false, properties, will: delayed });

      const middle = await startAfter(node, first);
      const last = await startAfter(middle, second);
      const again = await resume(last, 'witness', { sessionExpiryInterval: 0xffff_ffff });
      last.clock.advance(dueAfter - 2);
      await again.expectNothing();
      last.clock.advance(4);

      await again.expectPublish('w', 'gone');
      await again.expectNothing();
    });

    it('[MQTT-3.1.3-9] publishes a will that was due meanwhile, though its client is the first to be back', async () => {
      const node = await start();
      const witness = await resume(node, 'witness');
      await witness.subscribe('w', { qos: 1 });
      const properties = { sessionExpiryInterval: 3600 };
      await node.client(5, { clientId: 'sub', cleanStart: false, properties, will: delayed });

      const next = await startAfter(await startAfter(node, 'is killed'), 'is killed', {}, 600);
      await resume(next, 'sub');

      await (await resume(next, 'witness')).expectPublish('w', 'gone');
    });
  });

  describe('of a queue that nobody has read yet', () => {
    it.each(['dropNewest', 'dropOldest'] as const)('lets what has expired give way first (%s)', async (onQueueFull) => {
      const limits = { maximumQueuedMessages: 3, onQueueFull };
      const node = await start(undefined, { limits });
      await absent(node);
      const publisher = await node.client();
      await publishKept(publisher, 'a', { payload: 'stays' });
      for (const payload of ['1', '2'])
        await publishKept(publisher, 'a', { payload, properties: { messageExpiryInterval: 10 } });

      const next = await startAfter(node, 'is stopped', { limits });
      next.clock.advance(60);
      for (const payload of ['new', 'newer']) await publishKept(await next.client(), 'a', { payload });

      expect(await readToTheEnd(await resume(next, 'sub'))).toEqual(['stays', 'new', 'newer']);
    });

    it('refuses for the sake of no message that has expired', async () => {
      const limits = { maximumQueuedMessages: 1, onQueueFull: 'refuse' } as const;
      const node = await start(undefined, { limits });
      await absent(node);
      await publishKept(await node.client(), 'a', { payload: 'x', properties: { messageExpiryInterval: 10 } });

      const next = await startAfter(node, 'is stopped', { limits }, 60);
      const publisher = await next.client();
      const packetId = publisher.publish('a', { qos: 1, payload: 'new' });
      await publisher.expect({ type: PUBACK, packetId, reasonCode: 0 });

      expect(await readToTheEnd(await resume(next, 'sub'))).toEqual(['new']);
    });

    it('keeps to the bound of its bytes, whatever they were', async () => {
      const limits = { maximumQueuedBytes: 20_000, onQueueFull: 'dropOldest' } as const;
      const node = await start(undefined, { limits });
      await absent(node);
      const publisher = await node.client();
      const userProperties = Array.from({ length: 100 }, (): [string, string] => ['n', 'v']);
      for (let count = 0; count < 5; count++) await publishKept(publisher, 'a', { properties: { userProperties } });

      const next = await startAfter(node, 'is stopped', { limits });
      const other = await next.client();
      for (let count = 0; count < 60; count++) await publishKept(other, 'a', { payload: 'x'.repeat(500) });

      const payloads = await readToTheEnd(await resume(next, 'sub'));
      expect(payloads.length).toBeGreaterThan(10);
      expect(payloads.join('').length).toBeLessThan(20_000);
    });

    it('[MQTT-4.3.3-10] has a QoS 2 message once that was not kept at first', async () => {
      const node = await start();
      await absent(node);
      const store = new FailingStore({ path: join(nodes.folder, 'store') });
      const next = await startAfter(node, 'is stopped', { store });
      const publisher = await resume(next, 'publisher');
      store.isFailing = true;
      publisher.publish('a', { qos: 2, payload: 'once', packetId: 7 });
      await publisher.expectClosed();
      store.isFailing = false;

      const again = await resume(next, 'publisher');
      again.publish('a', { qos: 2, payload: 'once', packetId: 7, dup: true });
      await again.expect({ type: PUBREC, packetId: 7 });

      expect(await readToTheEnd(await resume(next, 'sub'))).toEqual(['once']);
    });

    it('drops nothing that may have been sent', async () => {
      const limits = { maximumQueuedMessages: 2, onQueueFull: 'dropOldest' } as const;
      const node = await start(undefined, { limits });
      const client = await resume(node, 'sub');
      await client.subscribe('a', { qos: 1 });
      await publishKept(await node.client(), 'a', { payload: 'sent' });
      await readPublishes(client, 1);
      await leave(client);
      await untilAway(node, 'sub');

      const next = await startAfter(node, 'is stopped', { limits });
      const publisher = await next.client();
      for (const payload of '123') await publishKept(publisher, 'a', { payload });

      const packets = await readPublishes(await resume(next, 'sub'), 3);
      expect(payloadsOf(packets)).toEqual(['sent', '2', '3']);
    });
  });
});
