import { describe, expect, it } from '@jest/globals';
import { PacketType, type ConnackPacket } from '../../../lib/protocol/packets.js';
import { breakOff, connectBytes, expectConnectRefused } from '../../support/connection-steps.js';
import { describeOverTransports } from '../../support/test-broker.js';
import { connectDev, delayedWill, watchWills, will } from '../../support/will-steps.js';

describeOverTransports('3.1.3.2 Will Properties', (start) => {
  describe('Will Delay Interval', () => {
    it('[MQTT-3.1.2-8] publishes the will when its delay has passed', async () => {
      const broker = await start();
      const watcher = await watchWills(broker);
      await breakOff(await connectDev(broker, { will: delayedWill(10) }));

      broker.clock.advance(9);
      await watcher.expectNothing();
      broker.clock.advance(2);

      await watcher.expectPublish('will', 'gone');
    });

    it('[MQTT-3.1.2-8] publishes the will when the session ends before its delay has passed', async () => {
      const broker = await start();
      const watcher = await watchWills(broker);
      await breakOff(await connectDev(broker, { will: delayedWill(1000) }));

      broker.clock.advance(99);
      await watcher.expectNothing();
      broker.clock.advance(2);

      await watcher.expectPublish('will', 'gone');
    });

    it('[MQTT-3.1.2-8] publishes the will at once when the session ends with its connection', async () => {
      const broker = await start();
      const watcher = await watchWills(broker);
      const client = await connectDev(broker, { will: delayedWill(10), properties: {} });

      client.drop();

      await watcher.expectPublish('will', 'gone');
    });

    it('[MQTT-3.1.2-8] publishes the will when a clean start ends the session', async () => {
      const broker = await start();
      const watcher = await watchWills(broker);
      await breakOff(await connectDev(broker, { will: delayedWill(10) }));
      await watcher.expectNothing();

      await connectDev(broker, { cleanStart: true });

      await watcher.expectPublish('will', 'gone');
    });

    it('[MQTT-3.1.2-8] publishes a will without delay when the connection is taken over', async () => {
      const broker = await start();
      const watcher = await watchWills(broker);
      const old = await connectDev(broker, { will: will() });

      await connectDev(broker);

      await old.expectDisconnect(0x8e);
      await watcher.expectPublish('will', 'gone');
    });

    it('[MQTT-3.1.2-8] publishes a will with delay when a clean start takes the connection over', async () => {
      const broker = await start();
      const watcher = await watchWills(broker);
      const old = await connectDev(broker, { will: delayedWill(10) });

      await connectDev(broker, { cleanStart: true });

      await old.expectDisconnect(0x8e);
      await watcher.expectPublish('will', 'gone');
    });

    it('[MQTT-3.1.3-9] does not publish the will when the client is back in time', async () => {
      const broker = await start();
      const watcher = await watchWills(broker);
      await breakOff(await connectDev(broker, { will: delayedWill(10) }));
      broker.clock.advance(9);

      await connectDev(broker);
      broker.clock.advance(200);

      await watcher.expectNothing();
    });

    it('[MQTT-3.1.3-9] does not publish the will when the connection is taken over', async () => {
      const broker = await start();
      const watcher = await watchWills(broker);
      const old = await connectDev(broker, { will: delayedWill(10) });

      await connectDev(broker);
      await old.expectDisconnect(0x8e);
      broker.clock.advance(200);

      await watcher.expectNothing();
    });
  });

  it('[MQTT-3.1.3-10] publishes the user properties in their order, and the other properties but the delay', async () => {
    const broker = await start();
    const watcher = await watchWills(broker);
    const userProperties = [
      ['b', '2'],
      ['a', '1'],
      ['b', '1'],
      ['a', '1'],
    ] as const;
    const forwarded = { contentType: 'text/plain', responseTopic: 'reply', payloadFormatIndicator: 1, userProperties };
    const client = await connectDev(broker, { will: will({ properties: { ...forwarded, willDelayInterval: 0 } }) });

    client.drop();

    const { properties } = await watcher.expectPublish('will', 'gone');
    expect(properties).toEqual(forwarded);
  });

  it('[MQTT-3.1.3-11] refuses a will topic that is not UTF-8', async () => {
    const client = await (await start()).open();

    client.send(connectBytes({ flags: '06', payload: "0003'dev' 00 0002[c328] 0000" }));

    await expectConnectRefused(client, 0x81);
  });

  it.each(["0000''", "0001'#'", "0003'a/+'"])('[MQTT-3.1.4-1] refuses the will topic %s', async (topic) => {
    const client = await (await start()).open();

    client.send(connectBytes({ flags: '06', payload: `0003'dev' 00 ${topic} 0000` }));

    const { reasonCode } = (await client.next(PacketType.CONNACK)) as ConnackPacket;
    expect([0x81, 0x82, 0x90]).toContain(reasonCode);
    await client.expectClosed();
  });
});
