import { describe, expect, it } from '@jest/globals';
import { ReasonCode } from '../../lib/protocol/reason-codes.js';
import { cluster, until } from '../support/cluster.js';

const { start, redis } = cluster();

describe('a client that connects to another node', () => {
  it('[MQTT-3.1.4-3] is disconnected from the first one with 0x8E', async () => {
    const [one, other] = [await start(), await start()];
    const before = await one.client(5, { clientId: 'c' });

    await other.client(5, { clientId: 'c' });

    await before.expectDisconnect(ReasonCode.SessionTakenOver);
    expect(one.broker.sessions.has('c')).toBe(false);
  });

  it('leaves no session behind: it is told of none, and the first node queues nothing', async () => {
    const [one, other] = [await start(), await start()];
    const properties = { sessionExpiryInterval: 3600 };
    const before = await one.client(5, { clientId: 'c', properties });
    await before.subscribe('a', { qos: 1 });
    before.disconnect();
    await before.expectClosed();

    const client = await other.open();
    const connack = await client.connect({ clientId: 'c', cleanStart: false, properties });

    expect(connack.sessionPresent).toBe(false);
    await until(() => !one.broker.sessions.has('c'));
    expect(one.broker.topics.size).toBe(0);
  });

  it('and back is let in, and the other way round', async () => {
    const [one, other] = [await start(), await start()];

    let before = await one.client(5, { clientId: 'c' });
    for (const node of [other, one, other, one]) {
      const next = await node.client(5, { clientId: 'c' });
      await before.expectDisconnect(ReasonCode.SessionTakenOver);
      before = next;
    }

    await before.expectNothing();
  });

  it('while it connects to the first one has exactly one connection in the end', async () => {
    const nodes = [await start(), await start(), await start()];

    for (let round = 0; round < 20; round++) {
      const clientId = `c${round}`;
      const clients = await Promise.all(nodes.map((node) => node.open()));
      // One of them may be refused in favour of a newer one before it is let in.
      await Promise.all(clients.map((client) => client.connect({ clientId }).catch(() => {})));
      await until(() => nodes.filter(({ broker }) => broker.sessions.has(clientId)).length === 1);
    }
  });

  it('while Redis is away is sent away when it is back, and one connection stays', async () => {
    const [one, other] = [await start(), await start()];
    await redis().kill();
    await until(() => !one.router.isReady && !other.router.isReady);
    await one.client(5, { clientId: 'c' });
    await other.client(5, { clientId: 'c' });

    await redis().run();

    await until(() => one.router.isReady && other.router.isReady);
    await until(() => [one, other].filter(({ broker }) => broker.sessions.has('c')).length === 1);
  });

  it('costs Redis nothing when the broker gave it its id', async () => {
    const one = await start();
    const before = await generations();

    await one.client(5, { clientId: '' });

    expect(await generations()).toBe(before);
  });
});

/** What claims begin with. */
const generations = async (): Promise<number> => (await redis().calls()).incr ?? 0;
