import { describe, expect, it } from '@jest/globals';
import { PacketType } from '../../lib/protocol/packets.js';
import { ReasonCode } from '../../lib/protocol/reason-codes.js';
import { cluster, until, untilWanted } from '../support/cluster.js';
import { publishWhole } from '../support/exchanges.js';

const { start, redis } = cluster();

describe('a Redis that was started anew and has forgotten everything', () => {
  it('does not make a node acknowledge what another one, which is not back yet, wants', async () => {
    const one = await start();
    const late = await start({ retryMs: 1000 });
    const subscriber = await late.client();
    await subscriber.subscribe('a', { qos: 1 });
    await untilWanted(one, 'a');
    await redis().kill();
    await until(() => !one.router.isReady && !late.router.isReady);
    await redis().run();
    await until(() => one.router.isReady);
    expect(late.router.isReady).toBe(false);

    const publisher = await one.client();
    publisher.publish('a', { payload: 'x', qos: 1 });
    await publisher.expectClosed();
    await until(() => late.router.isReady);

    const again = await one.client();
    const packetId = again.publish('a', { payload: 'x', qos: 1 });
    await again.expect({ type: PacketType.PUBACK, packetId });
    await subscriber.expectPublish('a', 'x');
    await subscriber.expectNothing();
  });

  it('is told again what the nodes have retained', async () => {
    const [one, other] = [await start(), await start()];
    const publisher = await one.client();
    await publishWhole(publisher, 'a', { payload: 'x', retain: true, qos: 1 });
    await until(() => other.broker.retained.size === 1);

    await redis().kill();
    await until(() => !one.router.isReady && !other.router.isReady);
    await redis().run();
    await until(() => one.router.isReady && other.router.isReady);

    const late = await start();
    expect(late.broker.retained.get('a')?.payload.toString()).toBe('x');
  });

  it('still knows which of two connections is the newer one', async () => {
    const [one, other] = [await start(), await start()];
    for (let count = 0; count < 5; count++) await one.client(5, { clientId: `c${count}` });
    const before = await one.client(5, { clientId: 'c' });
    await redis().kill();
    await until(() => !one.router.isReady && !other.router.isReady);
    await redis().run();
    await until(() => one.router.isReady && other.router.isReady);

    await other.client(5, { clientId: 'c' });

    await before.expectDisconnect(ReasonCode.SessionTakenOver);
  });

  it('is reported', async () => {
    const one = await start();
    await redis().kill();
    await until(() => !one.router.isReady);
    await redis().run();
    await until(() => one.router.isReady);

    expect(one.logged).toContain(
      'warn Redis was started anew, or another server has taken over: what it lacks is lost',
    );
  });
});
