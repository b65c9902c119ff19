import { expect, it } from '@jest/globals';
import { ReasonCode } from '../../../lib/protocol/reason-codes.js';
import { receiveWhole } from '../exchanges.js';
import { leave, payloadsOf, readPublishes, resume, untilAway } from '../scenario.js';
import type { StartInPlace } from '../store-contract.js';
import { connectDev, delayedWill, watchWills, will } from '../will-steps.js';
import { heardInTime } from './in-time.js';

/** Wills are published when they are due, and not when they are not. */
export function promisesOfWills(start: StartInPlace): void {
  it('[MQTT-3.1.2-8] publishes a will at once when its client is gone, as a message like others', async () => {
    const node = await start();
    const watcher = await watchWills(node);
    const properties = { contentType: 'text', responseTopic: 'r', correlationData: Buffer.from([0, 255]) };
    const dev = await connectDev(node, { will: will({ qos: 2, retain: true, properties }) });

    dev.drop();

    await receiveWhole(watcher, 'will', 'gone', {
      qos: 2,
      retain: true,
      properties: { contentType: 'text', responseTopic: 'r', correlationData: '\0ÿ' },
    });
    await watcher.expectNothing();
    const late = await node.client();
    await late.subscribe('will');
    await late.expectPublish('will', 'gone', { retain: true });
  });

  it('publishes the will of a session that ends with its connection', async () => {
    const node = await start();
    const watcher = await watchWills(node);
    const dev = await node.client(5, { clientId: 'dev', will: delayedWill(50) });

    dev.drop();

    await watcher.expectPublish('will', 'gone');
    await watcher.expectNothing();
  });

  it('queues a will for a session whose client is away', async () => {
    const node = await start();
    const heir = await resume(node, 'heir');
    await heir.subscribe('will', { qos: 1 });
    await leave(heir);
    const watcher = await watchWills(node);
    const dev = await connectDev(node, { will: will({ qos: 1 }) });

    dev.drop();

    await watcher.expectPublish('will', 'gone');
    const again = await resume(node, 'heir');
    await again.expectPublish('will', 'gone', { qos: 1 });
    await again.expectNothing();
  });

  it('[MQTT-3.1.2-10] discards a will at DISCONNECT 0x00, and publishes it at 0x04', async () => {
    const node = await start();
    const watcher = await watchWills(node);
    await leave(await connectDev(node, { will: will({ payload: Buffer.from('not') }) }));
    await leave(await connectDev(node));
    await watcher.expectNothing();
    const dev = await connectDev(node, { will: will() });

    dev.disconnect(ReasonCode.DisconnectWithWillMessage);
    await dev.expectClosed();

    await watcher.expectPublish('will', 'gone');
    await watcher.expectNothing();
  });

  it('publishes a delayed will after its delay, not before, and once', async () => {
    const node = await start();
    const watcher = await watchWills(node);
    const dev = await connectDev(node, { will: delayedWill(30) });
    dev.drop();
    await untilAway(node, 'dev');

    node.clock.advance(29);
    await watcher.expectNothing();

    expect(payloadsOf(await heardInTime(node, watcher))).toEqual(['gone']);
    node.clock.advance(200);
    await connectDev(node);
    await watcher.expectNothing();
  });

  it('[MQTT-3.1.3-9] publishes no delayed will when the client comes back in time', async () => {
    const node = await start();
    const watcher = await watchWills(node);
    const dev = await connectDev(node, { will: delayedWill(30) });
    dev.drop();
    await untilAway(node, 'dev');
    node.clock.advance(20);

    const again = await connectDev(node);

    node.clock.advance(60);
    await again.expectNothing();
    await leave(again);
    await (await connectDev(node)).expectNothing();
    await watcher.expectNothing();
  });

  it('publishes a delayed will when the session ends before, by expiry or by a clean start', async () => {
    const node = await start();
    const watcher = await watchWills(node);
    const expiring = await connectDev(node, { will: delayedWill(1000) });
    expiring.drop();
    await untilAway(node, 'dev');
    node.clock.advance(99);
    await watcher.expectNothing();
    expect(payloadsOf(await heardInTime(node, watcher))).toEqual(['gone']);
    const discarded = await connectDev(node, { will: delayedWill(1000) });
    discarded.drop();
    await untilAway(node, 'dev');

    await connectDev(node, { cleanStart: true });

    await watcher.expectPublish('will', 'gone');
    await watcher.expectNothing();
  });

  it('publishes the will of a connection that is taken over: at once without a delay, with one not', async () => {
    const node = await start();
    const watcher = await watchWills(node);
    const first = await connectDev(node, { will: will({ payload: Buffer.from('first') }) });
    const second = await connectDev(node, { will: delayedWill(30) });
    await first.expectDisconnect(ReasonCode.SessionTakenOver);
    await watcher.expectPublish('will', 'first');

    await connectDev(node);
    await second.expectDisconnect(ReasonCode.SessionTakenOver);

    node.clock.advance(60);
    await watcher.expectNothing();
  });

  it('publishes the wills of many clients, each once, and only of those that are gone', async () => {
    const node = await start();
    const watcher = await watchWills(node);
    const names = Array.from({ length: 20 }, (_, index) => `dev ${index}`);
    const devices = await Promise.all(
      names.map((clientId) => connectDev(node, { clientId, will: will({ payload: Buffer.from(clientId) }) })),
    );

    for (const [index, device] of devices.entries()) {
      if (index % 2 === 0) device.drop();
      else device.disconnect();
    }

    const heard = payloadsOf(await readPublishes(watcher, 10));
    expect(new Set(heard)).toEqual(new Set(names.filter((_, index) => index % 2 === 0)));
    await watcher.expectNothing();
  });
}
