import { it } from '@jest/globals';
import { breakOff, expectConnectRefused } from '../../support/connection-steps.js';
import { leave } from '../../support/scenario.js';
import { VerdictAuth } from '../../support/test-auths.js';
import { describeAlsoInRedis, type TestBroker } from '../../support/test-broker.js';
import { connectDev, watchWills, will } from '../../support/will-steps.js';
import type { WireClient } from '../../support/wire-client.js';

describeAlsoInRedis('3.1.2.5 Will Message', (start) => {
  it('[MQTT-3.1.2-7] [MQTT-3.1.2-8] publishes the will when the connection ends without DISCONNECT', async () => {
    const broker = await start();
    const watcher = await watchWills(broker);
    const client = await connectDev(broker, { will: will() });

    await watcher.expectNothing();
    client.drop();

    await watcher.expectPublish('will', 'gone', { qos: 0, retain: false });
    await watcher.expectNothing();
  });

  it('[MQTT-3.1.2-7] keeps no will of a CONNECT that is refused', async () => {
    const broker = await start({ auth: new VerdictAuth('dev', false) });
    const watcher = await watchWills(broker);
    const client = await broker.open();

    client.sendConnect({ clientId: 'dev', will: will() });
    await expectConnectRefused(client, 0x86);

    await watcher.expectNothing();
  });

  it.each([
    ['the keep-alive passes', 0x8d, (_: WireClient, broker: TestBroker) => broker.clock.advance(16)],
    ['the client breaks the protocol', 0x82, (client: WireClient) => client.sendConnect()],
    ['the client sends a malformed packet', 0x81, (client: WireClient) => client.send('c1 00')],
  ])('[MQTT-3.1.2-8] publishes the will when %s', async (_, reasonCode, action) => {
    const broker = await start();
    const watcher = await watchWills(broker);
    const client = await broker.client(5, { keepAlive: 10, will: will() });

    action(client, broker);

    await client.expectDisconnect(reasonCode);
    await watcher.expectPublish('will', 'gone');
  });

  it.each([0x04, 0x80, 0x98])('[MQTT-3.1.2-8] publishes the will after DISCONNECT %i', async (reasonCode) => {
    const broker = await start();
    const watcher = await watchWills(broker);
    const client = await connectDev(broker, { will: will() });

    client.disconnect(reasonCode);

    await watcher.expectPublish('will', 'gone');
  });

  it.each([
    [0, 1],
    [1, 1],
    [2, 2],
    [2, 0],
  ] as const)('[MQTT-3.1.2-8] publishes a will of QoS %i to a subscription of QoS %i', async (qos, granted) => {
    const broker = await start();
    const watcher = await broker.client();
    await watcher.subscribe('will', { qos: granted });
    const client = await connectDev(broker, { will: will({ qos }) });

    client.drop();

    await watcher.expectPublish('will', 'gone', { qos: Math.min(qos, granted) });
  });

  it('[MQTT-3.1.2-10] publishes the will once', async () => {
    const broker = await start();
    const watcher = await watchWills(broker);
    await breakOff(await connectDev(broker, { will: will() }));
    await watcher.expectPublish('will', 'gone');

    await breakOff(await connectDev(broker));
    broker.clock.advance(200);

    await watcher.expectNothing();
  });

  it('[MQTT-3.1.2-10] forgets the will at DISCONNECT 0x00', async () => {
    const broker = await start();
    const watcher = await watchWills(broker);
    await leave(await connectDev(broker, { will: will() }));

    await breakOff(await connectDev(broker));
    broker.clock.advance(200);

    await watcher.expectNothing();
  });

  it('[MQTT-3.1.2-14] publishes a will without will retain as a message that is not retained', async () => {
    const broker = await start();
    const watcher = await watchWills(broker);
    await breakOff(await connectDev(broker, { will: will() }));
    await watcher.expectPublish('will', 'gone', { retain: false });

    const late = await watchWills(broker);

    await late.expectNothing();
  });

  it('[MQTT-3.1.2-15] publishes a will with will retain as a retained message', async () => {
    const broker = await start();
    const watcher = await watchWills(broker);
    await breakOff(await connectDev(broker, { will: will({ retain: true }) }));
    await watcher.expectPublish('will', 'gone', { retain: true });

    const late = await watchWills(broker);

    await late.expectPublish('will', 'gone', { retain: true });
  });
});
