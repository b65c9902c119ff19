import { it } from '@jest/globals';
import { describeOverTransports } from '../../support/test-broker.js';

describeOverTransports('3.12 PINGREQ', (start) => {
  it('[MQTT-3.12.4-1] is answered by PINGRESP, each of them', async () => {
    const client = await (await start()).client();

    client.send('c000').send('c000 c000');

    for (let count = 0; count < 3; count++) await client.expectHex('d000');
    await client.expectNothing();
  });

  it('[MQTT-3.12.4-1] is answered while the client owes acknowledgements', async () => {
    const broker = await start();
    const client = await broker.client(5, { properties: { receiveMaximum: 1 } });
    await client.subscribe({ filter: 'a', qos: 1 });
    for (const payload of ['one', 'two']) client.publish('a', { qos: 1, payload });
    await client.settled();

    client.send('c000');

    await client.expectPublish('a', 'one');
    await client.expect({ type: 4 });
    await client.expect({ type: 4 });
    await client.expectHex('d000');
  });

  it('keeps the connection alive', async () => {
    const broker = await start();
    const client = await broker.client(5, { keepAlive: 10 });

    for (let count = 0; count < 3; count++) {
      broker.clock.advance(14);
      await client.expectNothing();
    }
    broker.clock.advance(16);

    await client.expectDisconnect(0x8d);
  });

  it('is malformed with a body', async () => {
    const client = await (await start()).client();

    client.send('c00100');

    await client.expectDisconnect(0x81);
  });

  it.each([
    ['malformed with reserved flags', 'c100', 0x81],
    ['a protocol error when it is a PINGRESP', 'd000', 0x82],
  ])('is %s', async (_what, bytes, reasonCode) => {
    const client = await (await start()).client();

    client.send(bytes);

    await client.expectDisconnect(reasonCode);
  });
});
