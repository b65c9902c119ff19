import { describe, expect, it } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { MQTTdStrategy, OnPublish } from 'nestjs-mqttd';
import { Observable, of, throwError } from 'rxjs';
import { Inbox } from '../support/inbox.js';
import { apps } from '../support/nest-app.js';

const heard = new Inbox<string>();

@Controller()
class Failing {
  @OnPublish('throws')
  throws(): never {
    throw new Error('broken');
  }

  @OnPublish('rejects')
  async rejects(): Promise<never> {
    throw new Error('broken');
  }

  @OnPublish('errs')
  errs(): Observable<never> {
    return throwError(() => new Error('broken'));
  }

  @OnPublish('errs-late')
  errsLate(): Observable<number> {
    return new Observable((observer) => {
      observer.next(1);
      setImmediate(() => observer.error(new Error('broken')));
    });
  }

  @OnPublish('throws-undefined')
  throwsUndefined(): never {
    // oxlint-disable-next-line no-throw-literal, typescript/only-throw-error
    throw undefined;
  }

  @OnPublish('throws-text')
  throwsText(): never {
    // oxlint-disable-next-line no-throw-literal, typescript/only-throw-error
    throw 'text';
  }

  @OnPublish('#')
  hear(@Payload() text: string): void {
    heard.push(text);
  }
}

// An unhandled rejection fails the test during which it happens: jest listens for it.
describe('a handler that fails', () => {
  const start = apps();

  it.each(['throws', 'rejects', 'errs', 'errs-late', 'throws-undefined', 'throws-text'])(
    'because it %s is logged, and disturbs neither other handlers nor the client nor subscribers',
    async (topic) => {
      const { client, logged } = await start({ controllers: [Failing] });
      const device = await client();
      const subscriber = await client(4);
      await subscriber.subscribe(topic);

      device.publish(topic, { payload: '1', qos: 1 });
      device.publish(topic, { payload: '2', qos: 1 });

      await device.expect({ type: 4, packetId: 1, reasonCode: 0 });
      await device.expect({ type: 4, packetId: 2, reasonCode: 0 });
      await subscriber.expectPublish(topic, '1');
      await subscriber.expectPublish(topic, '2');
      expect([await heard.next(), await heard.next()]).toEqual(['1', '2']);
      await logged.find((line) => line.startsWith(`warn [MQTTd] Failing.`) && line.includes(`topic="${topic}"`));
    },
  );

  it('is one line in the log, without the payload', async () => {
    const { client, logged } = await start({ controllers: [Failing] });
    const device = await client();

    device.publish('rejects', { payload: 'secret-7' });

    const line = await logged.find((one) => one.startsWith('warn [MQTTd]'));
    expect(line).toBe('warn [MQTTd] Failing.rejects failed topic="rejects": broken');
    expect(logged.all.join('\n')).not.toContain('secret-7');
  });
});

describe('a processing hook that throws', () => {
  const start = apps();
  const broken = () => {
    throw new Error('hook');
  };

  it.each<[string, (strategy: MQTTdStrategy) => void]>([
    ['before a call', (strategy) => strategy.setOnProcessingStartHook(broken)],
    ['after it', (strategy) => strategy.setOnProcessingEndHook(broken)],
  ])('%s is logged, and the application goes on and can be closed', async (_title, set) => {
    const { app, client, logged } = await start({ controllers: [Failing] });
    set(app.get(MQTTdStrategy));
    const device = await client();

    device.publish('some', { payload: '1', qos: 1 });
    await device.expect({ type: 4, packetId: 1, reasonCode: 0 });

    await logged.find((line) => line.startsWith('warn [MQTTd') && line.includes('a processing hook failed'));
    await device.expectNothing();
    await app.close();
  });
});

describe('a handler that returns', () => {
  const start = apps();

  it('an Observable is run to its end, whatever it emits', async () => {
    const ended = new Inbox<string>();
    @Controller()
    class Streaming {
      @OnPublish('stream')
      stream(): Observable<string> {
        return new Observable((observer) => {
          ended.push('subscribed');
          observer.next('ignored');
          observer.complete();
        });
      }

      @OnPublish('empty')
      empty(): Observable<never> {
        return of();
      }

      @OnPublish('last')
      last(): string {
        ended.push('last');
        return 'ignored';
      }
    }
    const { app, client, logged } = await start({ controllers: [Streaming] });
    const device = await client();

    for (const topic of ['stream', 'empty', 'last']) device.publish(topic);

    expect([await ended.next(), await ended.next()].toSorted()).toEqual(['last', 'subscribed']);
    await device.settled();
    await app.close();
    expect(logged.all.filter((line) => line.startsWith('warn'))).toEqual([]);
  });
});
