import { describe, expect, it } from '@jest/globals';
import {
  Catch,
  Controller,
  Inject,
  Injectable,
  Scope,
  ValidationPipe,
  type ArgumentsHost,
  type CallHandler,
  type CanActivate,
  type ExceptionFilter,
  type ExecutionContext,
  type INestApplication,
  type NestInterceptor,
  type Provider,
} from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR, APP_PIPE, REQUEST } from '@nestjs/core';
import { Payload, type RequestContext } from '@nestjs/microservices';
import { IsNumber } from 'class-validator';
import { MQTTdContext, OnPublish, OnRequest, OnSubscribe } from 'nestjs-mqttd';
import { EMPTY, type Observable } from 'rxjs';
import { map } from 'rxjs/operators';
import { Inbox } from '../support/inbox.js';
import { apps } from '../support/nest-app.js';

const heard = new Inbox<unknown>();

class ReadingDto {
  @IsNumber()
  celsius!: number;
}

@Injectable()
class NoStrangers implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    return context.switchToRpc().getContext<MQTTdContext>().client?.clientId !== 'stranger';
  }
}

@Injectable()
class Bracketing implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler<string | undefined>): Observable<string | undefined> {
    return next.handle().pipe(map((value) => value && `[${value}]`));
  }
}

@Catch()
class Noting implements ExceptionFilter {
  catch(error: Error, host: ArgumentsHost): Observable<unknown> {
    heard.push(`${host.switchToRpc().getContext<MQTTdContext>().topic}: ${error.message}`);
    return EMPTY;
  }
}

@Controller()
class Plain {
  @OnPublish('reading')
  reading(@Payload() reading: ReadingDto): void {
    heard.push(reading);
  }

  @OnPublish('fault')
  fault(): void {
    throw new Error('broken');
  }

  @OnRequest('request')
  request(): string {
    return 'reply';
  }

  @OnSubscribe('greeting')
  greeting(): string {
    return 'hello';
  }
}

const byApp = (app: INestApplication): void => {
  app.useGlobalPipes(new ValidationPipe());
  app.useGlobalGuards(new NoStrangers());
  app.useGlobalInterceptors(new Bracketing());
  app.useGlobalFilters(new Noting());
};

const byModule: Provider[] = [
  { provide: APP_PIPE, useValue: new ValidationPipe() },
  { provide: APP_GUARD, useClass: NoStrangers },
  { provide: APP_INTERCEPTOR, useClass: Bracketing },
  { provide: APP_FILTER, useClass: Noting },
];

describe.each([
  ['app.useGlobal...', { configure: byApp }],
  ['APP_PIPE and its likes', { providers: byModule }],
])('global enhancers by %s', (_title, parts) => {
  const start = apps();

  it('stand before @OnPublish: guard, pipe and filter', async () => {
    const { client } = await start({ controllers: [Plain], ...parts });
    const stranger = await client(5, { clientId: 'stranger' });
    const device = await client();

    stranger.publish('reading', { payload: '{"celsius":1}' });
    expect(await heard.next()).toBe('reading: Forbidden resource');
    device.publish('reading', { payload: '{"celsius":"hot"}' });
    expect(await heard.next()).toMatch(/^reading: Bad Request/);
    device.publish('fault');
    expect(await heard.next()).toBe('fault: broken');
    device.publish('reading', { payload: '{"celsius":1}' });
    expect(await heard.next()).toEqual({ celsius: 1 });
  });

  it('stand before @OnRequest and @OnSubscribe', async () => {
    const { client } = await start({ controllers: [Plain], ...parts });
    const stranger = await client(5, { clientId: 'stranger' });
    const device = await client();

    for (const one of [stranger, device]) {
      await one.subscribe(['replies', 'greeting']);
      one.publish('request', { properties: { responseTopic: 'replies' } });
    }

    await device.expectPublish('greeting', '[hello]');
    await device.expectPublish('replies', '[reply]');
    expect([await heard.next(), await heard.next()]).toEqual([
      'greeting: Forbidden resource',
      'request: Forbidden resource',
    ]);
    await stranger.expectNothing();
  });

  it('do not stand there with inheritAppConfig: false', async () => {
    const mqttd = { port: 0, inheritAppConfig: false };
    const { client, logged } = await start({ controllers: [Plain], mqttd, ...parts });
    const stranger = await client(5, { clientId: 'stranger' });
    await stranger.subscribe('replies');

    stranger.publish('reading', { payload: '{"celsius":"hot"}' });
    stranger.publish('request', { properties: { responseTopic: 'replies' } });
    stranger.publish('fault');

    expect(await heard.next()).toEqual({ celsius: 'hot' });
    await stranger.expectPublish('replies', 'reply');
    await logged.find((line) => line.startsWith('warn [MQTTd] Plain.fault failed'));
  });
});

describe('a request-scoped controller', () => {
  const start = apps();

  it('is made anew for each message, with the message as its request', async () => {
    let made = 0;
    @Controller({ scope: Scope.REQUEST })
    class Scoped {
      private readonly number = ++made;

      constructor(@Inject(REQUEST) private readonly request: RequestContext<unknown, MQTTdContext>) {}

      @OnPublish('reading/:id')
      reading(@Payload() text: string): void {
        heard.push([this.number, this.request.getContext().topic, this.request.getPattern(), text]);
      }

      @OnRequest('request')
      answer(): string {
        return `from ${this.request.getContext().client?.clientId}`;
      }
    }
    const { client } = await start({ controllers: [Scoped] });
    const device = await client(5, { clientId: 'device-7' });
    await device.subscribe('replies');

    device.publish('reading/1', { payload: 'a' });
    device.publish('reading/2', { payload: 'b' });
    device.publish('request', { properties: { responseTopic: 'replies' } });

    expect(await heard.next()).toEqual([1, 'reading/1', 'reading/:id', 'a']);
    expect(await heard.next()).toEqual([2, 'reading/2', 'reading/:id', 'b']);
    await device.expectPublish('replies', 'from device-7');
  });
});
