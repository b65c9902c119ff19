import { it } from '@jest/globals';
import { describeOverTransports } from '../../support/test-broker.js';

describeOverTransports('MQTT 3.1.1, 3.1 CONNECT: keep alive', (start) => {
  it('[MQTT-3.1.2-23] [MQTT-3.1.2-24] closes after one and a half times the keep alive without a packet', async () => {
    const broker = await start();
    const client = await broker.client(4, { keepAlive: 10 });

    broker.clock.advance(14.5);
    await client.expectNothing();
    broker.clock.advance(14.5);
    await client.expectNothing();
    broker.clock.advance(16);

    await client.expectClosed();
  });

  it('[MQTT-3.1.2-24] counts every packet, not PINGREQ alone', async () => {
    const broker = await start();
    const client = await broker.client(4, { keepAlive: 10 });

    broker.clock.advance(14);
    client.publish('a', { qos: 1, packetId: 7 });
    await client.expectHex('40 02 0007');
    broker.clock.advance(14);
    client.publish('a', { qos: 1, packetId: 8 });

    await client.expectHex('40 02 0008');
  });

  it('[MQTT-3.1.2-24] does not count what the server sends', async () => {
    const broker = await start();
    const client = await broker.client(4, { keepAlive: 10 });
    const publisher = await broker.client(4);
    await client.subscribe('a');

    broker.clock.advance(10);
    publisher.publish('a', { payload: 'x' });
    await client.expectPublish('a', 'x');
    broker.clock.advance(6);

    await client.expectClosed();
  });

  it('[MQTT-3.1.2-24] never closes with a keep alive of 0', async () => {
    const broker = await start();
    const client = await broker.client(4, { keepAlive: 0 });

    broker.clock.advance(10_000);

    await client.expectNothing();
  });
});
