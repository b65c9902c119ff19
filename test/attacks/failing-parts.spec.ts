import { expect, it } from '@jest/globals';
import { AllowAllAuth } from '../../lib/auth/allow-all.auth.js';
import { Message } from '../../lib/broker/message.js';
import type { ShareMember, ShareStrategy } from '../../lib/broker/share-strategy.js';
import type { Properties } from '../../lib/protocol/properties.js';
import { MemoryStore } from '../../lib/stores/memory.store.js';
import { payloads, receiveAll } from '../support/exchanges.js';
import { describeInMemory, publishKept, untilAway } from '../support/scenario.js';
import { SlowStore } from '../support/slow-store.js';
import type { TestBroker } from '../support/test-broker.js';
import { connectDev, delayedWill, watchWills, will } from '../support/will-steps.js';

/** Fails when it is asked about `will`: a bug, or a database that is gone. */
class FailingAuth extends AllowAllAuth {
  constructor(private readonly isAsync: boolean) {
    super();
  }

  override mayPublish(_client: unknown, topic: string): boolean | Promise<boolean> {
    if (topic !== 'will') return true;
    if (this.isAsync) return Promise.reject(new Error('no database'));
    throw new Error('no database');
  }
}

/** Its commit throws instead of being rejected, as long as it is broken. */
class ThrowingStore extends SlowStore {
  isBroken = false;

  override commit(): undefined {
    if (this.isBroken) throw new Error('disk full');
    return undefined;
  }
}

/** Has no room for more than so many messages of queues. */
class FullStore extends MemoryStore {
  constructor(private room: number) {
    super();
  }

  override enqueue(): number {
    if (this.room-- === 0) throw new Error('disk full');
    return super.enqueue();
  }
}

const stranger: ShareMember = { clientId: 'stranger', isOnline: true, inFlight: 0, queued: 0 };

describeInMemory('a part of the application that fails', (start) => {
  it.each([
    ['throws', false],
    ['rejects', true],
  ])(
    '[A37] mayPublish %s for a will: that is logged, the connection is gone, others are served',
    async (_, isAsync) => {
      const broker = await start({ auth: new FailingAuth(isAsync) });
      const watcher = await watchWills(broker);
      const client = await broker.client(5, { clientId: 'dev', will: will() });

      client.drop();
      await untilAway(broker, 'dev');

      await watcher.expectNothing();
      expect(broker.logged).toContain('error a will could not be authorized Error: no database');
      expect(broker.broker.connections.size).toBe(1);
      expect(broker.broker.sessions.has('dev')).toBe(false);
      await publishKept(await broker.client(), 'will/not', { payload: 'x' });
    },
  );

  it.each([
    ['throws', false],
    ['rejects', true],
  ])('[A37] mayPublish %s for a will that is due later: the clock goes on for the others', async (_, isAsync) => {
    const broker = await start({ auth: new FailingAuth(isAsync) });
    const dev = await connectDev(broker, { will: delayedWill(5) });
    const silent = await broker.client(5, { clientId: 'silent', keepAlive: 10 });
    dev.drop();
    await untilAway(broker, 'dev');

    broker.clock.advance(20);

    await silent.expectDisconnect(0x8d);
    expect(broker.logged).toContain('error a will could not be authorized Error: no database');
  });

  it('[A48] a commit that throws withholds the acknowledgement as one that is rejected, and the broker recovers', async () => {
    const store = new ThrowingStore();
    const broker = await start({ store });
    const publisher = await broker.client();
    store.isBroken = true;

    publisher.publish('a', { qos: 1, payload: 'x' });

    await publisher.expectClosed();
    expect(broker.logged).toContain('error acknowledgements withheld Error: disk full');
    store.isBroken = false;
    await publishKept(await broker.client(), 'a', { payload: 'y' });
  });

  it.each<[string, ShareStrategy]>([
    [
      'throws',
      () => {
        throw new Error('a bug');
      },
    ],
    ['gives a stranger', () => stranger as never],
    ['gives nothing', () => undefined as never],
    ['gives a promise', (candidates) => Promise.resolve(candidates[0]) as never],
  ])('[A45] a strategy of a group that %s costs no message', async (_title, shareStrategy) => {
    const broker = await start({ shareStrategy });
    const members = [await broker.client(), await broker.client()];
    for (const member of members) await member.subscribe('$share/g/a', { qos: 1 });
    const publisher = await broker.client();

    for (const payload of ['1', '2', '3']) await publishKept(publisher, 'a', { payload });

    const received = [...(await receiveAll(members[0])), ...(await receiveAll(members[1]))];
    expect(payloads(received)).toEqual(['1', '2', '3']);
  });

  it.each([0, 1] as const)(
    '[A37] a message that no packet can hold is logged, and costs subscribers at QoS %i no other',
    async (qos) => {
      const broker = await start();
      const subscribers = [await broker.client(), await broker.client()];
      for (const subscriber of subscribers) await subscriber.subscribe('a', { qos });

      publishFromInside(broker, 'bad', { responseTopic: 'x'.repeat(65_536) });
      publishFromInside(broker, 'good');

      for (const subscriber of subscribers) expect(payloads(await receiveAll(subscriber))).toEqual(['good']);
      expect(broker.logged).toContain(
        'error no packet holds the message topic="a" RangeError: a field of 65536 bytes; MQTT has room for 65535',
      );
    },
  );

  it('[A37] a store that fails in the midst of retained messages costs their subscriber its connection', async () => {
    // More than are sent at once.
    const room = 600;
    const broker = await start({ store: new FullStore(room) });
    const publisher = await broker.client();
    for (let number = 0; number <= room; number++)
      await publishKept(publisher, `a/${number}`, { payload: 'x', retain: true });
    const subscriber = await broker.client();

    await subscriber.subscribe('a/+', { qos: 1 });

    for (let number = 0; number < room; number++) await subscriber.expectPublish(`a/${number}`, 'x');
    await subscriber.expectDisconnect(0x80);
    await publisher.expectNothing();
  });

  function publishFromInside({ broker, clock }: TestBroker, payload: string, properties?: Properties): void {
    const fields = { topic: 'a', payload: Buffer.from(payload), qos: 1, retain: false, properties } as const;
    broker.publish(Message.of(fields, clock.now()));
  }
});
