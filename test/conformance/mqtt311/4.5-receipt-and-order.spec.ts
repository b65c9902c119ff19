import { expect, it } from '@jest/globals';
import { everyQoS, payloads, publishWhole, receiveAll, receiveWhole } from '../../support/exchanges.js';
import { leave } from '../../support/scenario.js';
import { describeAlsoInRedis } from '../../support/test-broker.js';

const numbers = (count: number) => Array.from({ length: count }, (_, index) => `${index}`);

describeAlsoInRedis('MQTT 3.1.1, 4.5 Receipt and 4.6 Order', (start) => {
  it('[MQTT-4.5.0-1] adds a message to the session of every client with a matching subscription', async () => {
    const broker = await start();
    const publisher = await broker.client(4);
    const clients = [];
    for (const filter of ['a/b', 'a/+', '#']) {
      const client = await broker.client(4);
      await client.subscribe(filter, { qos: 2 });
      clients.push(client);
    }
    const away = await broker.client(4, { clientId: 'away', cleanStart: false });
    await away.subscribe('a/b', { qos: 2 });
    await leave(away);

    for (const qos of everyQoS) await publishWhole(publisher, 'a/b', { payload: `${qos}`, qos });

    for (const client of clients) {
      for (const qos of everyQoS) await receiveWhole(client, 'a/b', `${qos}`, { qos });
      await client.expectNothing();
    }
    const back = await broker.client(4, { clientId: 'away', cleanStart: false });
    for (const qos of [1, 2]) await receiveWhole(back, 'a/b', `${qos}`, { qos });
  });

  it.each(everyQoS)('[MQTT-4.6.0-5] [MQTT-4.6.0-6] keeps the order of each publisher at QoS %d', async (qos) => {
    const broker = await start();
    const client = await broker.client(4);
    await client.subscribe('a', { qos });
    const publishers = [await broker.client(4), await broker.client(4), await broker.client(4)];

    for (const number of numbers(100)) {
      publishers.forEach((publisher, index) => publisher.publish('a', { payload: `${index}:${number}`, qos }));
    }
    await Promise.all(publishers.map((publisher) => publisher.settled()));

    const received = payloads(await receiveAll(client));
    expect(received.length).toBe(300);
    for (const index of publishers.keys()) {
      const own = received.filter((payload) => payload.startsWith(`${index}:`)).map((payload) => payload.slice(2));
      expect(own).toEqual(numbers(100));
    }
  });

  it('[MQTT-4.6.0-6] keeps the order for a client that was away, and for what is sent again', async () => {
    const broker = await start();
    const session = { clientId: 'c', cleanStart: false };
    const publisher = await broker.client(4);
    const client = await broker.client(4, session);
    await client.subscribe('a', { qos: 1 });
    for (const payload of ['sent 1', 'sent 2']) await publishWhole(publisher, 'a', { payload, qos: 1 });
    await client.expectPublish('a', 'sent 1');
    await client.expectPublish('a', 'sent 2');
    await leave(client);
    for (const payload of ['queued 1', 'queued 2']) await publishWhole(publisher, 'a', { payload, qos: 1 });

    const again = await broker.client(4, session);
    await publishWhole(publisher, 'a', { payload: 'live', qos: 1 });

    expect(payloads(await receiveAll(again))).toEqual(['sent 1', 'sent 2', 'queued 1', 'queued 2', 'live']);
  });

  it('[MQTT-4.6.0-6] keeps the order in slices as small as the window for unacknowledged messages', async () => {
    const broker = await start({ limits: { maximumInFlight: 2 } });
    const client = await broker.client(4);
    await client.subscribe('a', { qos: 2 });
    const publisher = await broker.client(4);
    for (const payload of numbers(20)) await publishWhole(publisher, 'a', { payload, qos: 1 });

    for (const payload of numbers(20)) await receiveWhole(client, 'a', payload, { qos: 1, dup: false });

    await client.expectNothing();
  });
});
