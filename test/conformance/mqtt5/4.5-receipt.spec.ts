import { expect, it } from '@jest/globals';
import { everyQoS, payloads, publishWhole, receiveAll, receiveWhole } from '../../support/exchanges.js';
import { leave, resume } from '../../support/scenario.js';
import { describeAlsoInRedis } from '../../support/test-broker.js';

describeAlsoInRedis('4.5 Message receipt', (start) => {
  it('[MQTT-4.5.0-1] adds a message to the session of every client with a matching subscription', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const matching = [];
    for (const filter of ['a/b', 'a/+', '+/b', '#', 'a/#', 'a/b/#']) {
      const client = await broker.client();
      await client.subscribe({ filter, qos: 2 });
      matching.push(client);
    }
    const foreign = await broker.client();
    await foreign.subscribe(['a', 'a/b/c', 'a/b/+', '+', 'b/#', 'A/b']);

    for (const qos of everyQoS) await publishWhole(publisher, 'a/b', { payload: `${qos}`, qos });

    for (const client of matching) {
      for (const qos of everyQoS) await receiveWhole(client, 'a/b', `${qos}`, { qos });
      await client.expectNothing();
    }
    await foreign.expectNothing();
    await publisher.expectNothing();
  });

  it('[MQTT-4.5.0-1] adds it to the sessions of clients that are away', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const client = await resume(broker, 'c');
    await client.subscribe({ filter: 'a', qos: 2 });
    await leave(client);

    for (const qos of [1, 2] as const) await publishWhole(publisher, 'a', { payload: `${qos}`, qos });

    const again = await resume(broker, 'c');
    for (const qos of [1, 2]) await receiveWhole(again, 'a', `${qos}`, { qos, dup: false });
    await again.expectNothing();
  });

  it('[MQTT-4.5.0-1] adds it to the session of its own publisher as well', async () => {
    const client = await (await start()).client();
    await client.subscribe({ filter: 'a', qos: 1 });

    client.publish('a', { payload: 'x', qos: 1 });
    await client.settled();

    expect(payloads(await receiveAll(client))).toEqual(['x']);
  });

  it('[MQTT-4.5.0-1] adds it although the publisher is gone right after', async () => {
    const broker = await start();
    const client = await broker.client();
    const publisher = await broker.client();
    await client.subscribe('a');

    publisher.publish('a', { payload: 'last words' });
    publisher.disconnect();

    await client.expectPublish('a', 'last words');
  });

  it('[MQTT-4.5.0-1] adds it once, at PUBLISH or PUBREL, when the exchange at QoS 2 ends', async () => {
    const broker = await start();
    const client = await broker.client();
    const publisher = await broker.client();
    await client.subscribe({ filter: 'a', qos: 2 });

    await publishWhole(publisher, 'a', { payload: 'x', qos: 2 });

    await receiveWhole(client, 'a', 'x', { qos: 2 });
    await client.expectNothing();
  });
});
