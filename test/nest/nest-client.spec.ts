import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller } from '@nestjs/common';
import {
  ClientProxyFactory,
  MessagePattern,
  MqttRecordBuilder,
  Payload,
  RpcException,
  Transport,
  type ClientProxy,
} from '@nestjs/microservices';
import { OnPublish, OnRequest } from 'nestjs-mqttd';
import { firstValueFrom, lastValueFrom, of, toArray } from 'rxjs';
import { Inbox } from '../support/inbox.js';
import { apps } from '../support/nest-app.js';

const heard = new Inbox<unknown>();

@Controller()
class Calculator {
  @OnRequest('calc/sum')
  sum(@Payload() numbers: number[]): number {
    return numbers.reduce((sum, one) => sum + one, 0);
  }

  @MessagePattern('calc/plain')
  plain(@Payload('n') n: number): number {
    return n + 1;
  }

  @OnRequest('calc/stream')
  stream() {
    return of(1, 2, 3);
  }

  @OnRequest('calc/text')
  text(@Payload() text: string): string {
    return `<${text}>`;
  }

  @OnRequest('calc/bytes')
  bytes(@Payload() bytes: Buffer): string {
    return bytes.toString('hex');
  }

  @OnRequest('calc/nothing')
  nothing(): void {}

  @OnRequest('calc/fails')
  fail(): never {
    throw new Error('secret');
  }

  @OnRequest('calc/refuses')
  refuse(): never {
    throw new RpcException({ code: 7, message: 'not today' });
  }

  @OnPublish('readings')
  hear(@Payload() reading: unknown): void {
    heard.push(reading);
  }
}

describe('Nest’s own ClientMqtt, unmodified', () => {
  const start = apps();
  const clients: ClientProxy[] = [];
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
  });

  const connect = async (port: number, protocolVersion: 4 | 5): Promise<ClientProxy> => {
    const options = { url: `mqtt://127.0.0.1:${port}`, protocolVersion };
    const client = ClientProxyFactory.create({ transport: Transport.MQTT, options });
    clients.push(client);
    await client.connect();
    return client;
  };

  it.each([4, 5] as const)('over MQTT %d sends requests, and gets what handlers return', async (version) => {
    const { port } = await start({ controllers: [Calculator] });
    const client = await connect(port, version);
    const ask = (pattern: string, data: unknown): Promise<unknown> =>
      lastValueFrom(client.send(pattern, data).pipe(toArray()));

    expect(await ask('calc/sum', [1, 2, 3])).toEqual([6]);
    expect(await ask('calc/plain', { n: 41 })).toEqual([42]);
    expect(await ask('calc/stream', {})).toEqual([1, 2, 3]);
    expect(await ask('calc/text', 'grüße')).toEqual(['<grüße>']);
    expect(await ask('calc/bytes', Buffer.from('00ff', 'hex'))).toEqual(['00ff']);
    expect(await ask('calc/nothing', '')).toEqual([]);
    expect(await ask('calc/sum', new MqttRecordBuilder([4, 5]).setQoS(1).build())).toEqual([9]);
  });

  it('is told of errors as by a Nest server', async () => {
    const { port } = await start({ controllers: [Calculator] });
    const client = await connect(port, 4);

    await expect(firstValueFrom(client.send('calc/fails', {}))).rejects.toEqual({
      status: 'error',
      message: 'Internal server error',
    });
    await expect(firstValueFrom(client.send('calc/refuses', {}))).rejects.toEqual({ code: 7, message: 'not today' });
  });

  it('gets its own replies, and nobody else’s, though all clients listen to the same topic', async () => {
    const { port } = await start({ controllers: [Calculator] });
    const [one, other] = [await connect(port, 4), await connect(port, 4)];

    // One after another in each: with several at once Nest's client unsubscribes from replies that it still waits for.
    const sumsOf = async (client: ClientProxy, own: number): Promise<number[]> => {
      const sums: number[] = [];
      for (let index = 0; index < 20; index++) sums.push(await firstValueFrom(client.send('calc/sum', [index, own])));
      return sums;
    };
    const [ones, others] = await Promise.all([sumsOf(one, 100), sumsOf(other, 200)]);

    expect(ones).toEqual(Array.from({ length: 20 }, (_, index) => index + 100));
    expect(others).toEqual(Array.from({ length: 20 }, (_, index) => index + 200));
  });

  it('emits events', async () => {
    const { port } = await start({ controllers: [Calculator] });

    await lastValueFrom((await connect(port, 4)).emit('readings', { celsius: 21.5 }));

    expect(await heard.next()).toEqual({ celsius: 21.5 });
  });
});

describe('a device that looks like Nest’s client, but is none', () => {
  const start = apps();

  it.each([
    '{"pattern":"other","data":1}',
    '{"pattern":"readings"}',
    '{"data":{"celsius":1},"id":"7"}',
    '{"pattern":{"readings":1},"data":1}',
  ])('has its payload left alone: %s', async (payload) => {
    const { client } = await start({ controllers: [Calculator] });

    (await client()).publish('readings', { payload });

    expect(await heard.next()).toEqual(JSON.parse(payload));
  });
});

describe('a client of 3.1.1 that knows nothing of envelopes', () => {
  const start = apps();

  it('gets replies at <topic>/reply, if it has subscribed there', async () => {
    const { client } = await start({ controllers: [Calculator] });
    const device = await client(4);
    const bystander = await client(4);
    for (const one of [device, bystander]) await one.subscribe('calc/+/reply');

    device.publish('calc/sum', { payload: '[1,2]' });

    await device.expectPublish('calc/sum/reply', '3');
    await bystander.expectNothing();
  });
});
