import { afterEach, describe, expect, it } from '@jest/globals';
import { PacketType } from '../../lib/protocol/packets.js';
import { cluster, until, untilWanted, type ClusterNode } from '../support/cluster.js';
import { payloads, publishWhole, receiveAll } from '../support/exchanges.js';
import { Sender, Sequence } from '../support/sender.js';

const { start, redis } = cluster({ keepsOnDisk: true });

/** Redis counts as away soon, and is asked again soon. */
const soon = { commandTimeoutMs: 1000, heartbeatMs: 100, retryMs: 20 };

afterEach(() => redis().thaw());

describe('while Redis is away', () => {
  it('messages of this node reach its subscribers at QoS 0, and at QoS 1 and 2 where no other node wants them', async () => {
    const one = await start(soon);
    const subscriber = await one.client();
    await subscriber.subscribe('here/#', { qos: 2 });
    const publisher = await one.client();
    await away(one);

    for (const qos of [0, 1, 2] as const) await publishWhole(publisher, 'here/x', { payload: String(qos), qos });

    for (const qos of [0, 1, 2]) await subscriber.expectPublish('here/x', String(qos), { qos });
    await back(one);
  });

  it('clients connect and subscribe, and are known to other nodes when it is back', async () => {
    const [one, other] = [await start(soon), await start(soon)];
    await away(one, other);
    const subscriber = await one.client();
    await subscriber.subscribe('a');

    await back(one, other);
    await untilWanted(other, 'a');

    const publisher = await other.client();
    publisher.publish('a', { payload: 'x' });
    await subscriber.expectPublish('a', 'x');
  });

  it.each([1, 2] as const)(
    'QoS %d for another node is not acknowledged: the client is closed and sends again',
    async (qos) => {
      const [one, other] = [await start(soon), await start(soon)];
      const subscriber = await other.client();
      await subscriber.subscribe('a', { qos });
      await untilWanted(one, 'a');
      const options = { clientId: 'c', cleanStart: false, properties: { sessionExpiryInterval: 100 } };
      const publisher = await one.client(5, options);
      const bystander = await one.client();
      await away(one, other);

      publisher.publish('a', { payload: 'x', qos, packetId: 5 });
      bystander.send({ type: PacketType.PINGREQ });
      await publisher.expectClosed();
      // Nobody else is closed for it.
      await bystander.expect({ type: PacketType.PINGRESP });
      await back(one, other);

      const again = await one.client(5, options);
      again.publish('a', { payload: 'x', qos, packetId: 5, dup: true });
      await again.expect({ type: qos === 1 ? PacketType.PUBACK : PacketType.PUBREC, packetId: 5 });
      await subscriber.expectPublish('a', 'x', { qos });
    },
  );

  it('QoS 0 for another node is dropped and counted', async () => {
    const [one, other] = [await start(soon), await start(soon)];
    const subscriber = await other.client();
    await subscriber.subscribe('a');
    await untilWanted(one, 'a');
    await away(one, other);

    const publisher = await one.client();
    publisher.publish('a', { payload: 'x' });
    await publisher.expectNothing();

    expect(one.router.counters.messagesDropped).toBe(1);
    await back(one, other);
  });

  it('what was retained on a node is known to the others when it is back', async () => {
    const [one, other] = [await start(soon), await start(soon)];
    await away(one, other);
    const publisher = await one.client();
    publisher.publish('a', { payload: 'meanwhile', retain: true });
    await publisher.expectNothing();

    await back(one, other);

    await until(() => other.broker.retained.get('a')?.payload.toString() === 'meanwhile');
  });

  it('the log says so, and says when it is back', async () => {
    const one = await start();
    await away(one);
    await back(one);

    // At debug level each vain attempt is a line as well.
    const lines = one.logged.filter((line) => line.includes('Redis is') && !line.startsWith('debug'));
    expect(lines).toEqual([
      expect.stringMatching(/^warn Redis is away: .*; nothing goes to other nodes until it is back$/),
      expect.stringMatching(/^log Redis is back/),
    ]);
  });
});

describe('QoS 1 under way when Redis', () => {
  const faults: Record<string, () => Promise<void>> = {
    'answers nothing for a while': async () => {
      redis().freeze();
    },
    'is killed and started again': async () => {
      await redis().kill();
      await redis().run();
    },
    'drops every connection': async () => {
      await redis().with((client) => client.call('CLIENT', 'KILL', 'TYPE', 'normal'));
    },
  };

  it.each(Object.keys(faults))('%s: nothing acknowledged is lost, and the order stays', async (fault) => {
    const [one, other] = [await start(soon), await start(soon)];
    const subscriber = await other.client();
    await subscriber.subscribe('a', { qos: 1 });
    await untilWanted(one, 'a');
    const sender = new Sender(one);
    const heard = new Sequence();

    await sender.send(100);
    for (let round = 0; round < 3; round++) {
      const sent = sender.send(200);
      await sender.untilAcknowledged(20);
      await faults[fault]();
      await until(() => !one.router.isReady || !other.router.isReady);
      redis().thaw();
      await until(() => one.router.isReady && other.router.isReady);
      await untilWanted(one, 'a');
      await sent;
      heard.take(payloads(await receiveAll(subscriber)));
    }
    await sender.send(100);
    while (heard.next < 800) heard.take(payloads(await receiveAll(subscriber)));

    expect(heard.gaps).toEqual([]);
    expect(sender.acknowledged).toBe(800);
  });
});

async function away(...nodes: readonly ClusterNode[]): Promise<void> {
  await redis().kill();
  await until(() => nodes.every(({ router }) => !router.isReady));
}

async function back(...nodes: readonly ClusterNode[]): Promise<void> {
  await redis().run();
  await until(() => nodes.every(({ router }) => router.isReady));
}
