import { describe, expect, it } from '@jest/globals';
import { Controller, type Type } from '@nestjs/common';
import { MQTTdPublisher, OnSubscribe, Topic, TopicParam } from 'nestjs-mqttd';
import { concat, of, throwError, timer } from 'rxjs';
import { map } from 'rxjs/operators';
import { PacketType } from '../../lib/protocol/packets.js';
import { Inbox } from '../support/inbox.js';
import { SlowStore } from '../support/slow-store.js';
import { apps } from '../support/nest-app.js';

describe('@OnSubscribe', () => {
  const start = apps();

  /** A controller with one method, which returns this. */
  const greetingWith = (pattern: string, makeGreeting: (filter: string) => unknown): Type => {
    @Controller()
    class Greeter {
      @OnSubscribe(pattern)
      greet(@Topic() filter: string): unknown {
        return makeGreeting(filter);
      }
    }
    return Greeter;
  };

  const subscribePacket = (filter: string) =>
    ({
      type: PacketType.SUBSCRIBE,
      packetId: 1,
      subscriptions: [{ filter, qos: 2, noLocal: false, retainAsPublished: false, retainHandling: 0 }],
    }) as const;

  it('sends a bare value to the requested topic, after the SUBACK', async () => {
    const { client } = await start({ controllers: [greetingWith('sensors/+/hello', (filter) => `this is ${filter}`)] });
    const device = await client();

    device.send(subscribePacket('sensors/7/hello'));

    await device.next(PacketType.SUBACK);
    await device.expectPublish('sensors/7/hello', 'this is sensors/7/hello', { qos: 0, retain: false });
    await device.expectNothing();
  });

  it('copies a Buffer: its owner may go on to use it while the greeting waits', async () => {
    const bytes = Buffer.from('before');
    const greeting = (payload: unknown) => ({ topic: 'a', payload, qos: 1 });
    const { client } = await start({ controllers: [greetingWith('a', () => [greeting('first'), greeting(bytes)])] });
    const device = await client(5, { properties: { receiveMaximum: 1 } });
    await device.subscribe('a', { qos: 1 });
    const { packetId } = await device.expectPublish('a', 'first');

    bytes.fill('x');
    device.acknowledge(PacketType.PUBACK, packetId);

    await device.expectPublish('a', 'before');
  });

  it('sends its greeting after the SUBACK also when the method takes its time', async () => {
    const { client } = await start({ controllers: [greetingWith('a', () => timer(20).pipe(map(() => 'late')))] });
    const device = await client();

    device.send(subscribePacket('a'));

    await device.next(PacketType.SUBACK);
    await device.expectPublish('a', 'late');
  });

  it('sends its greeting after the SUBACK also when that waits for the store', async () => {
    const store = new SlowStore();
    const called = new Inbox<string>();
    const greet = () => {
      called.push('called');
      return 'hi';
    };
    const { client } = await start({ controllers: [greetingWith('a', greet)], mqttd: { port: 0, store } });
    const device = await client();
    const letGo = store.hold();

    device.send(subscribePacket('a'));
    await called.next();
    letGo();

    await device.next(PacketType.SUBACK);
    await device.expectPublish('a', 'hi');
  });

  it.each([0, 20])('greets before the retained messages, with a method that takes %i ms', async (delay) => {
    const { app, client } = await start({ controllers: [greetingWith('a', () => timer(delay).pipe(map(() => 'hi')))] });
    await app.get(MQTTdPublisher).publish('a', 'retained', { retain: true });
    const device = await client();

    device.send(subscribePacket('a'));

    await device.next(PacketType.SUBACK);
    await device.expectPublish('a', 'hi', { retain: false });
    await device.expectPublish('a', 'retained', { retain: true });
  });

  it('sends { topic, payload, qos, retain }, with the QoS lowered to what was granted', async () => {
    const greeting = { topic: 'sensors/7', payload: { celsius: 21 }, qos: 2, retain: true };
    const { client } = await start({ controllers: [greetingWith('sensors/#', () => greeting)] });
    const device = await client();

    await device.subscribe({ filter: 'sensors/+', qos: 1 });

    await device.expectPublish('sensors/7', '{"celsius":21}', { qos: 1, retain: true });
  });

  it('sends each of an array, and each value of an Observable', async () => {
    const one = { topic: 'a/1', payload: 'one' };
    const two = { topic: 'a/2', payload: Buffer.from([0xff, 0x00]) };
    const three = { topic: 'a/3', payload: new Uint8Array([0x33]) };
    const { client } = await start({
      controllers: [greetingWith('a/#', () => [one, two]), greetingWith('a/+', () => concat(of(three), of([one])))],
    });
    const device = await client();

    await device.subscribe('a/+');

    await device.expectPublish('a/1', 'one');
    await device.expectPublish('a/2', 'ÿ\0');
    await device.expectPublish('a/3', '3');
    await device.expectPublish('a/1', 'one');
    await device.expectNothing();
  });

  it('sends nothing for undefined, null and an empty Observable', async () => {
    const controllers = [
      greetingWith('a', () => undefined),
      greetingWith('a', () => null),
      greetingWith('a', () => of()),
    ];
    const { client } = await start({ controllers });
    const device = await client();

    await device.subscribe('a');

    await device.expectNothing();
  });

  it('is called only when the pattern covers the whole requested filter', async () => {
    const { client } = await start({ controllers: [greetingWith('sensors/+/hello', () => 'x')] });
    const device = await client();

    await device.subscribe(['sensors/#', '#', 'sensors/+/+', 'sensors/7']);

    await device.expectNothing();
  });

  it('greets for each filter of a SUBSCRIBE, and again when the client subscribes again', async () => {
    @Controller()
    class Greeter {
      @OnSubscribe('sensors/:id')
      greet(@TopicParam('id') id: string): string {
        return `hello ${id}`;
      }
    }
    const { client } = await start({ controllers: [Greeter] });
    const device = await client();

    await device.subscribe(['sensors/1', 'other', 'sensors/2']);
    await device.expectPublish('sensors/1', 'hello 1');
    await device.expectPublish('sensors/2', 'hello 2');
    await device.subscribe('sensors/1');
    await device.expectPublish('sensors/1', 'hello 1');
  });

  it('gives the greeting the Subscription Identifier, and sends it to nobody else', async () => {
    const { client } = await start({ controllers: [greetingWith('a', () => 'hi')] });
    const other = await client();
    await other.subscribe('a');
    await other.expectPublish('a', 'hi');
    const device = await client();

    await device.subscribe('a', { properties: { subscriptionIdentifiers: [9] } });

    await device.expectPublish('a', 'hi', { properties: { subscriptionIdentifiers: [9] } });
    await other.expectNothing();
  });

  it.each([
    ['a bare value for a filter with a wildcard', 'x', 'a bare value cannot be sent to "a/+", which has a wildcard'],
    ['a topic outside the filter', { topic: 'b', payload: 'x' }, 'the topic "b" is outside the requested filter "a/+"'],
    ['a topic that is none', { topic: 'a/#', payload: 'x' }, 'the topic "a/#" is outside the requested filter "a/+"'],
  ])('logs the usage error: %s', async (_title, greeting, text) => {
    const { client, logged } = await start({ controllers: [greetingWith('a/#', () => greeting)] });
    const device = await client();

    await device.subscribe('a/+');

    const line = await logged.find((one) => one.startsWith('warn'));
    expect(line).toContain(`warn [MQTTd] Greeter.greet failed filter="a/+": ${text}`);
    await device.expectNothing();
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('broken');
      },
    ],
    ['rejects', () => Promise.reject(new Error('broken'))],
    ['errs', () => throwError(() => new Error('broken'))],
  ])('that %s refuses the subscription, whatever others say, and is logged', async (_title, greet) => {
    const { app, client, logged } = await start({
      controllers: [greetingWith('a', greet), greetingWith('a', () => 'hello')],
    });
    await app.get(MQTTdPublisher).publish('a', 'retained', { retain: true });
    const device = await client();

    expect((await device.subscribe('a')).reasonCodes).toEqual([0x83]);

    await device.expectNothing();
    await logged.find((line) => line === 'warn [MQTTd] Greeter.greet failed filter="a": broken');
  });

  it('that returns what JSON cannot say is logged; retained messages and other greetings come all the same', async () => {
    const { app, client, logged } = await start({
      controllers: [greetingWith('a', () => 1n), greetingWith('a', () => 'hello')],
    });
    await app.get(MQTTdPublisher).publish('a', 'retained', { retain: true });
    const device = await client();

    await device.subscribe('a');

    await device.expectPublish('a', 'hello');
    await device.expectPublish('a', 'retained');
    await logged.find((line) => line.startsWith('warn [MQTTd] Greeter.greet failed filter="a"'));
  });
});
