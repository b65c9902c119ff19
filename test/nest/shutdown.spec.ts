import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import {
  Controller,
  Injectable,
  UseInterceptors,
  type CallHandler,
  type NestInterceptor,
  type OnModuleDestroy,
} from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { MQTTdPublisher, MQTTdStrategy, OnPublish, OnRequest, type MQTTdStatus } from 'nestjs-mqttd';
import { interval, type Observable } from 'rxjs';
import { finalize } from 'rxjs/operators';
import { Inbox } from '../support/inbox.js';
import { apps } from '../support/nest-app.js';

/** What a handler waits for until its test lets it go on. */
class Door {
  readonly opened: Promise<void>;
  open!: () => void;

  constructor() {
    this.opened = new Promise((resolve) => (this.open = resolve));
  }
}

@Injectable()
class PassingOn implements NestInterceptor {
  intercept(_context: unknown, next: CallHandler<unknown>): Observable<unknown> {
    return next.handle();
  }
}

/** A controller whose handlers say when they begin and end, and wait in between. */
const slow = (door: Door, heard: Inbox<string>) => {
  @Controller()
  class Slow {
    @OnPublish('slow')
    async hear(@Payload() text: string): Promise<void> {
      heard.push(`${text} begins`);
      await door.opened;
      heard.push(`${text} ends`);
    }

    @OnRequest('ask')
    async answer(): Promise<string> {
      heard.push('ask begins');
      await door.opened;
      return 'late reply';
    }

    @OnRequest('ask/intercepted')
    @UseInterceptors(PassingOn)
    async answerIntercepted(): Promise<string> {
      heard.push('ask begins');
      await door.opened;
      return 'late reply';
    }
  }
  return Slow;
};

describe('app.close()', () => {
  const start = apps();
  afterEach(() => {
    jest.useRealTimers();
  });

  it('sends MQTT 5 clients DISCONNECT 0x8B, closes the others, and leaves the port free', async () => {
    const { app, client, port } = await start();
    const modern = await client(5);
    const old = await client(4);
    const older = await client(3, { clientId: 'older' });

    await app.close();

    await modern.expectDisconnect(0x8b);
    await old.expectClosed();
    await older.expectClosed();
    const server = createServer().listen(port, '127.0.0.1');
    await once(server, 'listening');
    server.close();
  });

  it('waits for running handlers, and calls none any more', async () => {
    const heard = new Inbox<string>();
    const door = new Door();
    const { app, client } = await start({ controllers: [slow(door, heard)] });
    const device = await client();
    device.publish('slow', { payload: 'first' });
    expect(await heard.next()).toBe('first begins');

    const closed = app.close().then(() => heard.push('closed'));
    device.publish('slow', { payload: 'second' });
    await device.settled();
    door.open();
    await closed;

    expect(heard.all).toEqual(['first begins', 'first ends', 'closed']);
    await device.expectDisconnect(0x8b);
  });

  it('takes no connections while it waits for handlers', async () => {
    const heard = new Inbox<string>();
    const door = new Door();
    const { app, client, port } = await start({ controllers: [slow(door, heard)] });
    const device = await client();
    device.publish('slow', { payload: 'first' });
    await heard.next();

    const closed = app.close();
    await device.settled();
    const socket = connect(port, '127.0.0.1');
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    door.open();
    await closed;

    expect(error.code).toBe('ECONNREFUSED');
  });

  it.each(['ask', 'ask/intercepted'])('lets the reply to %s go out before the client is sent away', async (topic) => {
    const heard = new Inbox<string>();
    const door = new Door();
    const { app, client } = await start({ controllers: [slow(door, heard)] });
    const requester = await client();
    await requester.subscribe('replies');
    requester.publish(topic, { properties: { responseTopic: 'replies' } });
    await heard.next();

    const closed = app.close();
    await requester.settled();
    door.open();
    await closed;

    await requester.expectPublish('replies', 'late reply');
    await requester.expectDisconnect(0x8b);
  });

  it('ends Observables that would never end, after ten seconds', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'performance', 'Date'] });
    const heard = new Inbox<string>(0);
    @Controller()
    class Endless {
      @OnRequest('ticks')
      ticks(): Observable<number> {
        heard.push('begun');
        return interval(60_000).pipe(finalize(() => heard.push('ended')));
      }
    }
    const { app, client, logged } = await start({ controllers: [Endless] });
    const requester = await client();
    requester.publish('ticks', { properties: { responseTopic: 'replies' } });
    await requester.settled();

    const closed = app.close();
    await requester.settled();
    expect(heard.all).toEqual(['begun']);
    await jest.advanceTimersByTimeAsync(10_000);
    await closed;

    expect(heard.all).toEqual(['begun', 'ended']);
    expect(logged.all).toContain('warn [MQTTd] calls of handlers given up count=1: still running after 10000 ms');
  });

  it('ends handlers before the providers that they use; whose last words still reach the clients', async () => {
    const heard = new Inbox<string>();
    @Injectable()
    class Database implements OnModuleDestroy {
      constructor(private readonly publisher: MQTTdPublisher) {}

      async onModuleDestroy(): Promise<void> {
        heard.push('database closed');
        await this.publisher.publish('database/state', 'closed');
      }
    }
    const door = new Door();
    const { app, client } = await start({ controllers: [slow(door, heard)], providers: [Database] });
    const device = await client();
    await device.subscribe('database/state');
    device.publish('slow', { payload: 'first' });
    await heard.next();

    const closed = app.close();
    await device.settled();
    door.open();
    await closed;

    expect(heard.all).toEqual(['first begins', 'first ends', 'database closed']);
    await device.expectPublish('database/state', 'closed');
    await device.expectDisconnect(0x8b);
  });

  it('may be called twice, at once and again', async () => {
    const { app } = await start();

    await Promise.all([app.close(), app.close()]);
    await app.close();
  });

  it('sends no wills: they wait for the session to end', async () => {
    const heard = new Inbox<string>();
    const { app, client } = await start({ controllers: [slow(new Door(), heard)] });
    const will = { topic: 'slow', payload: Buffer.from('will'), qos: 0, retain: false } as const;
    const device = await client(5, { will });

    await app.close();
    await device.expectDisconnect(0x8b);

    expect(heard.all).toEqual([]);
  });

  it('is told by the status of the strategy', async () => {
    const { app } = await start();
    const seen: MQTTdStatus[] = [];
    app.get(MQTTdStrategy).status.subscribe((status) => seen.push(status));

    await app.close();

    expect(seen).toEqual(['listening', 'draining', 'closed']);
  });
});
