import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { mqttJs } from '../support/mqttjs.js';
import { apps } from '../support/nest-app.js';

describe.each([4, 5] as const)('mqtt.js with protocol version %i', (protocolVersion) => {
  const start = apps();
  const connectTo = mqttJs();

  const startWith = async () => {
    const { port } = await start();
    return (options = {}) => connectTo(port, { protocolVersion, ...options });
  };

  it.each([0, 1, 2] as const)('publishes and receives at QoS %i', async (qos) => {
    const connect = await startWith();
    const subscriber = await connect();
    const publisher = await connect();
    const granted = await subscriber.client.subscribeAsync('a/b', { qos });

    await publisher.client.publishAsync('a/b', 'grüße', { qos });

    expect(granted).toMatchObject([{ topic: 'a/b', qos }]);
    const { topic, payload, packet } = await subscriber.messages.next();
    expect([topic, payload.toString(), packet.qos, packet.retain]).toEqual(['a/b', 'grüße', qos, false]);
  });

  it('receives a hundred messages of each QoS in order', async () => {
    const connect = await startWith();
    const subscriber = await connect();
    const publisher = await connect();
    await subscriber.client.subscribeAsync('#', { qos: 2 });

    for (const qos of [0, 1, 2] as const) {
      const numbers = Array.from({ length: 100 }, (_, index) => String(index));
      await Promise.all(numbers.map((number) => publisher.client.publishAsync(`q/${qos}`, number, { qos })));

      for (const number of numbers) expect(await subscriber.next()).toBe(`q/${qos}: ${number}`);
    }
  });

  it('carries a megabyte without a changed bit', async () => {
    const connect = await startWith();
    const subscriber = await connect();
    const publisher = await connect();
    await subscriber.client.subscribeAsync('big', { qos: 1 });
    const payload = randomBytes(1_000_000);

    await publisher.client.publishAsync('big', payload, { qos: 1 });

    expect((await subscriber.messages.next()).payload.equals(payload)).toBe(true);
  });

  it('gets the retained messages that its wildcards match, and none that were removed', async () => {
    const connect = await startWith();
    const publisher = await connect();
    for (const topic of ['room/1', 'room/2', 'hall']) {
      await publisher.client.publishAsync(topic, `state of ${topic}`, { retain: true, qos: 1 });
    }
    await publisher.client.publishAsync('room/2', '', { retain: true, qos: 1 });
    const subscriber = await connect();

    await subscriber.client.subscribeAsync('room/+');
    await publisher.client.publishAsync('room/3', 'live');

    const { packet } = await subscriber.messages.next();
    expect([packet.topic, packet.payload.toString(), packet.retain]).toEqual(['room/1', 'state of room/1', true]);
    expect(await subscriber.next()).toBe('room/3: live');
  });

  it('matches + and # and stops after unsubscribing', async () => {
    const connect = await startWith();
    const subscriber = await connect();
    const publisher = await connect();
    await subscriber.client.subscribeAsync(['house/+/lamp', 'garden/#']);

    for (const topic of ['house/1/lamp', 'house/1/2/lamp', 'garden', 'garden/tree/1']) {
      await publisher.client.publishAsync(topic, 'x', { qos: 1 });
    }
    await subscriber.client.unsubscribeAsync('garden/#');
    await publisher.client.publishAsync('garden', 'unheard', { qos: 1 });
    await publisher.client.publishAsync('house/2/lamp', 'x', { qos: 1 });

    const received = [];
    for (let index = 0; index < 4; index++) received.push(await subscriber.next());
    expect(received).toEqual(['house/1/lamp: x', 'garden: x', 'garden/tree/1: x', 'house/2/lamp: x']);
  });

  it('leaves a will when its connection breaks, and none when it says goodbye', async () => {
    const connect = await startWith();
    const watcher = await connect();
    await watcher.client.subscribeAsync('wills/#', { qos: 1 });
    const will = (name: string) =>
      ({ topic: `wills/${name}`, payload: Buffer.from('gone'), qos: 1, retain: false }) as const;
    const polite = await connect({ will: will('polite') });
    const broken = await connect({ will: will('broken') });

    await polite.client.endAsync();
    broken.client.stream.destroy();

    expect(await watcher.next()).toBe('wills/broken: gone');
  });

  it('keeps a session: what was published meanwhile comes when it is back', async () => {
    const connect = await startWith();
    const session = { clientId: 'sleeper', clean: false, properties: { sessionExpiryInterval: 600 } };
    const options = protocolVersion === 5 ? session : { clientId: 'sleeper', clean: false };
    const sleeper = await connect(options);
    await sleeper.client.subscribeAsync('mail/#', { qos: 1 });
    await sleeper.client.endAsync();
    const publisher = await connect();
    for (const qos of [0, 1, 2] as const) await publisher.client.publishAsync(`mail/${qos}`, 'while away', { qos });

    const messages: string[] = [];
    const awake = await connect(options);
    messages.push(await awake.next(), await awake.next());

    expect(messages).toEqual(['mail/1: while away', 'mail/2: while away']);
  });

  it('that connects with the id of another client takes its place', async () => {
    const connect = await startWith();
    const first = await connect({ clientId: 'same' });
    const closed = new Promise((resolve) => first.client.once('close', () => resolve('closed')));

    await connect({ clientId: 'same' });

    expect(await closed).toBe('closed');
  });
});
