import { beforeEach, describe, expect, it } from '@jest/globals';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { MQTTdBroker, type MQTTdEvents } from 'nestjs-mqttd';
import { Inbox } from '../support/inbox.js';
import { apps } from '../support/nest-app.js';

describe('broker.on', () => {
  const start = apps();
  let heard: Inbox<unknown[]>;
  beforeEach(() => {
    heard = new Inbox();
  });

  /** A service of the application that hears everything. */
  @Injectable()
  class Watcher implements OnModuleInit {
    private readonly stops: (() => void)[] = [];

    constructor(private readonly broker: MQTTdBroker) {}

    onModuleInit(): void {
      const { broker, stops } = this;
      stops.push(
        broker.on('connected', ({ clientId, protocolVersion }) => heard.push(['connected', clientId, protocolVersion])),
        broker.on('disconnected', ({ clientId }, how) => heard.push(['disconnected', clientId, how])),
        broker.on('subscribed', ({ clientId }, { filter, qos, share }) =>
          heard.push(['subscribed', clientId, filter, qos, share]),
        ),
        broker.on('unsubscribed', ({ clientId }, filter) => heard.push(['unsubscribed', clientId, filter])),
      );
    }

    stop(): void {
      for (const stop of this.stops) stop();
    }
  }

  it('tells who connects, subscribes, unsubscribes and leaves, and how', async () => {
    const { client, app } = await start({ providers: [Watcher] });
    const device = await client(5, { clientId: '7' });
    await device.subscribe(['a/+', '$share/g/b'], { qos: 1 });
    device.send({ type: 10, packetId: 9, filters: ['a/+', 'never'] });
    device.disconnect(4);
    await device.expect({ type: 11 });
    await device.expectClosed();
    (await client(4, { clientId: '8' })).drop();
    await heard.find(([event, id]) => event === 'disconnected' && id === '8');
    const third = await client(4, { clientId: '9' });
    app.get(MQTTdBroker).disconnect('9', 0x97);
    await third.expectClosed();

    expect(heard.all).toEqual([
      ['connected', '7', 5],
      ['subscribed', '7', 'a/+', 1, undefined],
      ['subscribed', '7', 'b', 1, 'g'],
      ['unsubscribed', '7', 'a/+'],
      ['disconnected', '7', { by: 'client', reasonCode: 4 }],
      ['connected', '8', 4],
      ['disconnected', '8', { by: 'network' }],
      ['connected', '9', 4],
      ['disconnected', '9', { by: 'broker', reasonCode: 0x97 }],
    ]);
  });

  it('tells nothing any more to who has stopped listening', async () => {
    const { client, app } = await start({ providers: [Watcher] });
    await client(5, { clientId: '7' });
    app.get(Watcher).stop();
    (await client(5, { clientId: '8' })).disconnect();
    expect(heard.all).toEqual([['connected', '7', 5]]);
  });

  it('goes on after a listener that fails, at once or later, and logs it', async () => {
    const { client, broker, logged } = await start();
    broker.on('connected', () => {
      throw new Error('at once');
    });
    broker.on('connected', async () => Promise.reject(new Error('later')));
    broker.on('connected', ({ clientId }) => heard.push([clientId]));

    const device = await client(5, { clientId: '7' });

    expect(await heard.next()).toEqual(['7']);
    for (const when of ['at once', 'later'])
      await logged.find((line) => line.includes(`a listener of 'connected' failed: ${when}`));
    await device.expectNothing();
  });

  it.each<[keyof MQTTdEvents]>([['connected'], ['subscribed'], ['unsubscribed'], ['disconnected']])(
    'lets a listener of %s send the client away',
    async (event) => {
      const { open, broker } = await start();
      broker.on(event, (...[{ clientId }]) => void broker.disconnect(clientId));
      const device = await open(5);
      device.sendConnect({ clientId: '7', cleanStart: false });
      device.send({
        type: 8,
        packetId: 1,
        subscriptions: ['a', 'b'].map((filter) => ({
          filter,
          qos: 1,
          noLocal: false,
          retainAsPublished: false,
          retainHandling: 0,
        })),
      });
      device.send({ type: 10, packetId: 2, filters: ['a', 'b'] });
      device.disconnect();
      for (;;) if ((await device.next()).type === (event === 'disconnected' ? 11 : 14)) break;
      await device.expectClosed();

      expect([broker.sessions.size, broker.topics.size]).toEqual([0, 0]);
    },
  );
});
