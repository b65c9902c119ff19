import { describe, expect, it } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { MQTTdContext, MQTTdPublisher, OnPublish } from 'nestjs-mqttd';
import { Inbox } from '../support/inbox.js';
import { mqttJs } from '../support/mqttjs.js';
import { apps } from '../support/nest-app.js';

const heard = new Inbox<unknown>();

class Reading {
  celsius!: number;
}

interface Shape {
  readonly celsius: number;
}

@Controller()
class Declared {
  @OnPublish('buffer')
  buffer(@Payload() payload: Buffer): void {
    heard.push(payload);
  }

  @OnPublish('bytes')
  bytes(@Payload() payload: Uint8Array): void {
    heard.push(payload);
  }

  @OnPublish('text')
  text(@Payload() payload: string): void {
    heard.push(payload);
  }

  @OnPublish('class')
  dto(@Payload() payload: Reading): void {
    heard.push(payload);
  }

  @OnPublish('interface')
  shape(@Payload() payload: Shape): void {
    heard.push(payload);
  }

  @OnPublish('any')
  // oxlint-disable-next-line typescript/no-explicit-any
  any(@Payload() payload: any): void {
    heard.push(payload);
  }

  @OnPublish('unknown')
  unknown(@Payload() payload: unknown): void {
    heard.push(payload);
  }

  @OnPublish('number')
  number(@Payload() payload: number): void {
    heard.push(payload);
  }

  @OnPublish('boolean')
  boolean(@Payload() payload: boolean): void {
    heard.push(payload);
  }

  @OnPublish('array')
  array(@Payload() payload: number[]): void {
    heard.push(payload);
  }

  @OnPublish('property')
  property(@Payload('celsius') celsius: number): void {
    heard.push(celsius);
  }

  @OnPublish('text-property')
  textProperty(@Payload('name') name: string): void {
    heard.push(name);
  }

  @OnPublish('second-parameter')
  second(@Ctx() context: MQTTdContext, @Payload() payload: string): void {
    heard.push([context.topic, payload]);
  }

  @OnPublish('bare')
  bare(payload: Reading): void {
    heard.push(payload);
  }

  @OnPublish('bare-buffer')
  bareBuffer(payload: Buffer): void {
    heard.push(payload);
  }

  @OnPublish('nothing')
  nothing(): void {
    heard.push('called');
  }

  @OnPublish('only-context')
  onlyContext(@Ctx() context: MQTTdContext): void {
    heard.push(context.payload);
  }
}

describe('@Payload', () => {
  const start = apps();
  const connectTo = mqttJs();

  const hear = async (topic: string, payload: string | Buffer): Promise<unknown> => {
    const { client } = await start({ controllers: [Declared] });
    const device = await client();
    device.publish(topic, { payload });
    return heard.next();
  };

  const binary = Buffer.from('00ff80c328fefffe7b22', 'hex');

  it.each([
    ['Buffer', 'buffer', binary, binary],
    ['Buffer with nothing in it', 'buffer', '', Buffer.alloc(0)],
    ['Buffer that could be read as JSON', 'buffer', '{"a":1}', Buffer.from('{"a":1}')],
    ['Uint8Array', 'bytes', binary, binary],
    ['string', 'text', 'grüße 🌡', 'grüße 🌡'],
    ['string that could be read as JSON', 'text', '{"a":1}', '{"a":1}'],
    ['class', 'class', '{"celsius":21.5}', { celsius: 21.5 }],
    ['interface', 'interface', '{"celsius":21.5}', { celsius: 21.5 }],
    ['any', 'any', '"text"', 'text'],
    ['any with an empty payload', 'any', '', undefined],
    ['unknown', 'unknown', 'null', null],
    ['number', 'number', '21.5', 21.5],
    ['boolean', 'boolean', 'false', false],
    ['array', 'array', '[1,2]', [1, 2]],
    ['property', 'property', '{"celsius":21.5,"x":1}', 21.5],
    ['string property', 'text-property', '{"name":"north"}', 'north'],
    ['second parameter', 'second-parameter', 'x', ['second-parameter', 'x']],
    ['no decorator at all', 'bare', '{"celsius":21.5}', { celsius: 21.5 }],
    ['no decorator at all on a Buffer', 'bare-buffer', binary, binary],
    ['no parameter at all, binary on the wire', 'nothing', binary, 'called'],
    ['only @Ctx, binary on the wire', 'only-context', binary, binary],
  ])('hands over by the declared type: %s', async (_title, topic, payload, expected) => {
    expect(await hear(topic, payload)).toEqual(expected);
  });

  it.each(['{"data":{"celsius":21}}', '{"id":7}', '{"pattern":"many","data":1,"id":"x"}', '{"response":1,"err":2}'])(
    'leaves the keys of %s alone',
    async (json) => {
      expect(await hear('any', json)).toEqual(JSON.parse(json));
    },
  );

  it('hands over a Buffer for good: what the socket receives later does not change it', async () => {
    const { client } = await start({ controllers: [Declared] });
    const device = await client();

    device.publish('buffer', { payload: 'first' });
    const first = await heard.next();
    for (let index = 0; index < 200; index++) device.publish('other', { payload: Buffer.alloc(2000, 'x') });
    await device.settled();

    expect(first).toEqual(Buffer.from('first'));
  });

  it.each(['observe', 'ack', 'gate'] as const)(
    'hands over bytes of the handler’s own, mode %s: what it does to them is not sent, retained or seen by others',
    async (mode) => {
      @Controller()
      class Scribbling {
        @OnPublish('a', { mode })
        scribble(@Payload() payload: Buffer, @Ctx() context: MQTTdContext): void {
          const { correlationData } = context.properties;
          heard.push([payload.toString(), context.payload.toString(), correlationData?.toString()]);
          for (const bytes of [payload, context.payload, context.message!.payload, correlationData!]) bytes.fill('!');
        }
      }
      const { port, app } = await start({ controllers: [Scribbling] });
      const connect = () => connectTo(port, { protocolVersion: 5 });
      const observed = new Inbox<string>();
      app
        .get(MQTTdPublisher)
        .observe('a')
        .subscribe(({ payload, properties }) => {
          observed.push(`${payload.toString()} ${properties?.correlationData?.toString()}`);
          for (const bytes of [payload, properties!.correlationData!]) bytes.fill('?');
        });
      const [live, publisher] = [await connect(), await connect()];
      await live.client.subscribeAsync('a', { qos: 1, properties: { subscriptionIdentifier: 7 } });

      const correlationData = Buffer.from('42');
      await publisher.client.publishAsync('a', 'hello', { qos: 1, retain: true, properties: { correlationData } });

      expect(await heard.next()).toEqual(['hello', 'hello', '42']);
      expect(await observed.next()).toBe('hello 42');
      const late = await connect();
      await late.client.subscribeAsync('a', { qos: 1, properties: { subscriptionIdentifier: 7 } });
      for (const { messages } of [live, late]) {
        const { payload, packet } = await messages.next();
        expect(payload.toString()).toBe('hello');
        expect(packet.properties?.correlationData).toEqual(correlationData);
      }
    },
  );

  it('that is no JSON where JSON is declared is logged without a word of it, and the next one is heard', async () => {
    const { client, logged } = await start({ controllers: [Declared] });
    const device = await client();

    device.publish('class', { payload: 'secret-7 {' });
    device.publish('class', { payload: '{"celsius":1}' });

    expect(await heard.next()).toEqual({ celsius: 1 });
    expect(await logged.find((line) => line.includes('Declared.dto failed'))).toBe(
      'warn [MQTTd] Declared.dto failed topic="class": the payload is not JSON; ' +
        'declare the parameter as Buffer or string to get it as it is',
    );
    expect(logged.all.join('\n')).not.toContain('secret-7');
  });
});
