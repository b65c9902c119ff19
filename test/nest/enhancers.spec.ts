import { describe, expect, it } from '@jest/globals';
import {
  Body,
  Catch,
  Controller,
  Injectable,
  Post,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
  ValidationPipe,
  type ArgumentsHost,
  type CallHandler,
  type CanActivate,
  type ExceptionFilter,
  type ExecutionContext,
  type NestInterceptor,
  type PipeTransform,
} from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { IsNumber, Max } from 'class-validator';
import { MQTTdContext, OnPublish, OnRequest } from 'nestjs-mqttd';
import { EMPTY, of, type Observable } from 'rxjs';
import { map } from 'rxjs/operators';
import { Inbox } from '../support/inbox.js';
import { apps } from '../support/nest-app.js';

class ReadingDto {
  @IsNumber()
  @Max(60)
  celsius!: number;
}

const heard = new Inbox<unknown>();

/** Lets in who is named `trusted`. */
@Injectable()
class TrustedOnly implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { client } = context.switchToRpc().getContext<MQTTdContext>();
    return client?.username === 'trusted';
  }
}

@Injectable()
class Doubling implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler<number>): Observable<number> {
    return next.handle().pipe(map((value) => value * 2));
  }
}

@Injectable()
class Trimming implements PipeTransform {
  transform(value: unknown): unknown {
    return typeof value === 'string' ? value.trim() : value;
  }
}

@Catch()
class Noting implements ExceptionFilter {
  catch(error: Error, host: ArgumentsHost): Observable<unknown> {
    const { topic } = host.switchToRpc().getContext<MQTTdContext>();
    heard.push(`${topic}: ${error.message}`);
    return EMPTY;
  }
}

@Catch()
class Answering implements ExceptionFilter {
  catch(error: Error): Observable<unknown> {
    return of({ apology: error.message });
  }
}

@Controller()
class Guarded {
  @OnPublish('validated')
  @UsePipes(new ValidationPipe())
  validated(@Payload() reading: ReadingDto): void {
    heard.push(reading);
  }

  @OnPublish('transformed')
  transformed(@Payload(new ValidationPipe({ transform: true })) reading: ReadingDto): void {
    heard.push(reading);
  }

  @OnPublish('trimmed')
  @UsePipes(Trimming)
  trimmed(@Payload() text: string): void {
    heard.push(text);
  }

  @OnPublish('guarded')
  @UseGuards(TrustedOnly)
  guarded(@Payload() text: string): void {
    heard.push(text);
  }

  @OnRequest('doubled')
  @UseInterceptors(Doubling)
  doubled(@Payload() value: number): number {
    return value;
  }

  @OnPublish('noted')
  @UseFilters(Noting)
  noted(): void {
    throw new Error('broken');
  }

  @OnRequest('answered')
  @UseFilters(Answering)
  answered(): never {
    throw new Error('sorry');
  }

  @OnPublish('last')
  last(): void {
    heard.push('last');
  }
}

describe('what stands before a method', () => {
  const start = apps();
  const controllers = [Guarded];

  it.each(['{"celsius":"hot"}', '{"celsius":61}'])('a ValidationPipe keeps %s out', async (payload) => {
    const { client, logged } = await start({ controllers });
    const device = await client();

    device.publish('validated', { payload });
    device.publish('validated', { payload: '{"celsius":21}' });

    expect(await heard.next()).toEqual({ celsius: 21 });
    await logged.find((line) => line.startsWith('warn [MQTTd] Guarded.validated failed'));
  });

  it('a ValidationPipe with transform hands over an instance of the declared class', async () => {
    const { client } = await start({ controllers });
    const device = await client();

    device.publish('transformed', { payload: '{"celsius":21}' });

    expect(await heard.next()).toBeInstanceOf(ReadingDto);
  });

  it('a pipe of the method changes the payload', async () => {
    const { client } = await start({ controllers });
    const device = await client();

    device.publish('trimmed', { payload: '  21 ' });

    expect(await heard.next()).toBe('21');
  });

  it('a guard decides by the client', async () => {
    const { client, logged } = await start({ controllers });
    const stranger = await client(5, { username: 'stranger' });
    const trusted = await client(5, { username: 'trusted' });

    stranger.publish('guarded', { payload: 'from a stranger' });
    await stranger.settled();
    trusted.publish('guarded', { payload: 'from a friend' });

    expect(await heard.next()).toBe('from a friend');
    await logged.find((line) => line === 'warn [MQTTd] Guarded.guarded failed topic="guarded": Forbidden resource');
  });

  it('an interceptor changes the reply', async () => {
    const { client } = await start({ controllers });
    const requester = await client();
    await requester.subscribe('replies');

    requester.publish('doubled', { payload: '21', properties: { responseTopic: 'replies' } });

    await requester.expectPublish('replies', '42');
  });

  it('an exception filter takes an error before the log does', async () => {
    const { client, logged } = await start({ controllers });
    const device = await client();

    device.publish('noted');
    device.publish('last');

    expect(new Set([await heard.next(), await heard.next()])).toEqual(new Set(['last', 'noted: broken']));
    await device.settled();
    expect(logged.all.filter((line) => line.includes('failed'))).toEqual([]);
  });

  it('an exception filter answers a request in the place of the method', async () => {
    const { client } = await start({ controllers });
    const requester = await client();
    await requester.subscribe('replies');

    requester.publish('answered', { properties: { responseTopic: 'replies' } });

    const { properties } = await requester.expectPublish('replies', '{"apology":"sorry"}');
    expect(properties?.userProperties).toBeUndefined();
  });

  it('one controller serves MQTT and HTTP', async () => {
    @Controller('readings')
    class Readings {
      @Post()
      posted(@Body(new ValidationPipe()) reading: ReadingDto): string {
        return `posted ${reading.celsius}`;
      }

      @OnPublish('readings')
      published(@Payload(new ValidationPipe()) reading: ReadingDto): void {
        heard.push(reading);
      }
    }
    const { app, client } = await start({ controllers: [Readings] });
    await app.listen(0, '127.0.0.1');
    const device = await client();

    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`${await app.getUrl()}/readings`, { method: 'POST', headers, body: '{"celsius":5}' });
    device.publish('readings', { payload: '{"celsius":6}' });

    expect(await response.text()).toBe('posted 5');
    expect(await heard.next()).toEqual({ celsius: 6 });
  });
});
