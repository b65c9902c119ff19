import { describe, expect, it } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { EventPattern, MessagePattern, Payload, Transport } from '@nestjs/microservices';
import { MQTTdPublisher, MQTTD_TRANSPORT, OnPublish, OnRequest, Topic, TopicParam } from 'nestjs-mqttd';
import { Inbox } from '../support/inbox.js';
import { apps } from '../support/nest-app.js';

describe('@OnPublish', () => {
  const start = apps();

  it('calls the method for each message that a client publishes to a matching topic, and for no other', async () => {
    const heard = new Inbox<string>();
    @Controller()
    class Sensors {
      @OnPublish('sensors/+/temperature')
      hear(@Payload() text: string, @Topic() topic: string): void {
        heard.push(`${topic}: ${text}`);
      }
    }
    const { client } = await start({ controllers: [Sensors] });
    const device = await client();

    device.publish('sensors/7/temperature', { payload: '21.5' });
    device.publish('sensors/7/humidity', { payload: '40' });
    device.publish('sensors/8/temperature', { payload: '22' });

    expect(await heard.next()).toBe('sensors/7/temperature: 21.5');
    expect(await heard.next()).toBe('sensors/8/temperature: 22');
  });

  it('takes :name for + and :name# for #', async () => {
    const heard = new Inbox<string>();
    @Controller()
    class Buildings {
      @OnPublish('house/:floor/room/:path#')
      hear(@TopicParam('floor') floor: string, @TopicParam('path') path: string): void {
        heard.push(`${floor} | ${path}`);
      }
    }
    const { client } = await start({ controllers: [Buildings] });
    const device = await client();

    device.publish('house/2/room/north/lamp/1');
    device.publish('house/3/room');

    expect(await heard.next()).toBe('2 | north/lamp/1');
    expect(await heard.next()).toBe('3 | ');
  });

  it('takes an array of patterns, each with the names that it has', async () => {
    const heard = new Inbox<string>();
    @Controller()
    class Doors {
      @OnPublish(['doors/:id/open', 'gates/:id', 'windows'])
      hear(@Topic() topic: string, @TopicParam('id') id?: string): void {
        heard.push(`${topic} ${id}`);
      }
    }
    const { client } = await start({ controllers: [Doors] });
    const device = await client();

    for (const topic of ['doors/1/open', 'gates/2', 'windows']) device.publish(topic);

    expect([await heard.next(), await heard.next(), await heard.next()]).toEqual([
      'doors/1/open 1',
      'gates/2 2',
      'windows undefined',
    ]);
  });

  it('runs all methods of all controllers whose patterns match, overlapping wildcards included', async () => {
    const heard = new Inbox<string>();
    @Controller()
    class First {
      @OnPublish('a/b')
      literal(): void {
        heard.push('literal');
      }

      @OnPublish('a/+')
      oneLevel(): void {
        heard.push('one level');
      }
    }
    @Controller()
    class Second {
      @OnPublish('a/b')
      literalToo(): void {
        heard.push('literal too');
      }

      @OnPublish('#')
      everything(): void {
        heard.push('everything');
      }
    }
    const { client } = await start({ controllers: [First, Second] });
    const device = await client();

    device.publish('a/b');

    const four = [await heard.next(), await heard.next(), await heard.next(), await heard.next()];
    expect(four.toSorted()).toEqual(['everything', 'literal', 'literal too', 'one level']);
  });

  it('gives each of several methods on one pattern its own declared payload', async () => {
    const heard = new Inbox<unknown>();
    @Controller()
    class Sensors {
      @OnPublish('sensors/:id')
      asText(@Payload() text: string): void {
        heard.push(text);
      }

      @OnPublish('sensors/:id')
      asBytes(@Payload() bytes: Buffer): void {
        heard.push(bytes);
      }

      @OnPublish('sensors/:id')
      asNumber(@Payload() value: number): void {
        heard.push(value);
      }
    }
    const { client } = await start({ controllers: [Sensors] });
    const device = await client();

    device.publish('sensors/7', { payload: '21' });

    expect([await heard.next(), await heard.next(), await heard.next()]).toEqual(['21', Buffer.from('21'), 21]);
  });

  it('hears what the application itself publishes, without a client', async () => {
    const heard = new Inbox<unknown>();
    @Controller()
    class Sensors {
      @OnPublish('a/b')
      hear(@Payload() value: object): void {
        heard.push(value);
      }
    }
    const { app } = await start({ controllers: [Sensors] });

    await app.get(MQTTdPublisher).publish('a/b', { celsius: 21 });

    expect(await heard.next()).toEqual({ celsius: 21 });
  });

  it('hears a will', async () => {
    const heard = new Inbox<string>();
    @Controller()
    class Sensors {
      @OnPublish('gone/:id')
      hear(@Payload() words: string): void {
        heard.push(words);
      }
    }
    const { client } = await start({ controllers: [Sensors] });
    const will = { topic: 'gone/7', payload: Buffer.from('power cut'), qos: 0, retain: false } as const;
    const device = await client(5, { will });

    device.drop();

    expect(await heard.next()).toBe('power cut');
  });
});

describe('@EventPattern and @MessagePattern', () => {
  const start = apps();

  it('bind with no transport and with MQTTD_TRANSPORT, not with the transport of another server', async () => {
    const heard = new Inbox<string>();
    @Controller()
    class Plain {
      @EventPattern('plain/+')
      plain(@Payload() text: string): void {
        heard.push(`plain ${text}`);
      }

      @EventPattern('plain/+', MQTTD_TRANSPORT)
      ours(@Payload() text: string): void {
        heard.push(`ours ${text}`);
      }

      @EventPattern('plain/+', Transport.REDIS)
      theirs(@Payload() text: string): void {
        heard.push(`theirs ${text}`);
      }
    }
    const { client } = await start({ controllers: [Plain] });
    const device = await client();

    device.publish('plain/1', { payload: 'x' });
    device.publish('plain/2', { payload: 'y' });

    const four = [await heard.next(), await heard.next(), await heard.next(), await heard.next()];
    expect(four.toSorted()).toEqual(['ours x', 'ours y', 'plain x', 'plain y']);
  });

  it('answer requests as @OnRequest does', async () => {
    @Controller()
    class Calculator {
      @MessagePattern('calc/sum')
      sum(numbers: number[]): number {
        return numbers.reduce((sum, one) => sum + one, 0);
      }

      @OnRequest('calc/product')
      product(@Payload() numbers: number[]): number {
        return numbers.reduce((product, one) => product * one, 1);
      }
    }
    const { client } = await start({ controllers: [Calculator] });
    const requester = await client();
    await requester.subscribe('reply');

    requester.publish('calc/sum', { payload: '[2,3,4]', properties: { responseTopic: 'reply' } });
    await requester.expectPublish('reply', '9');
    requester.publish('calc/product', { payload: '[2,3,4]', properties: { responseTopic: 'reply' } });
    await requester.expectPublish('reply', '24');
  });

  it('with a pattern that is no topic filter belong to another server: they are left alone', async () => {
    @Controller()
    class Mixed {
      @MessagePattern({ cmd: 'sum' })
      command(_data: unknown): void {}

      @EventPattern('bad/#/filter')
      other(_data: unknown): void {}
    }

    const { logged } = await start({ controllers: [Mixed] });

    const lines = logged.all.filter((line) => line.includes('is not called'));
    expect(lines).toEqual([
      'debug [MQTTd] Mixed.command is not called: its pattern is not a topic filter',
      'debug [MQTTd] Mixed.other is not called: its pattern is not a topic filter',
    ]);
  });
});
