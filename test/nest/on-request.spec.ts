import { describe, expect, it } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { Ctx, Payload, RpcException } from '@nestjs/microservices';
import { MQTTdContext, MQTTdPublisher, OnRequest } from 'nestjs-mqttd';
import { Subject, concat, of, throwError, type Observable } from 'rxjs';
import { finalize } from 'rxjs/operators';
import { PacketType, type PublishPacket } from '../../lib/protocol/packets.js';
import type { Properties } from '../../lib/protocol/properties.js';
import { Inbox } from '../support/inbox.js';
import { apps } from '../support/nest-app.js';
import type { WireClient } from '../support/wire-client.js';

@Controller()
class Calculator {
  @OnRequest('calc/sum')
  async sum(@Payload() numbers: number[]): Promise<number> {
    return numbers.reduce((sum, one) => sum + one, 0);
  }

  @OnRequest('calc/count/:to')
  count(@Ctx() context: MQTTdContext): Observable<number> {
    return of(...Array.from({ length: Number(context.params.to) }, (_, index) => index + 1));
  }

  @OnRequest('echo')
  echo(@Payload() bytes: Buffer): Buffer {
    return bytes;
  }

  @OnRequest('nothing')
  nothing(): void {}

  @OnRequest('fail/plainly')
  fail(): never {
    throw new Error('secret detail');
  }

  @OnRequest('fail/rpc')
  failForTheRequester(): never {
    throw new RpcException('numbers wanted');
  }

  @OnRequest('fail/after-one')
  failLater(): Observable<string> {
    return concat(
      of('one'),
      throwError(() => new RpcException('enough')),
    );
  }

  @OnRequest('fail/unsayable')
  unsayable(): bigint {
    return 1n;
  }
}

describe('@OnRequest', () => {
  const start = apps();
  const controllers = [Calculator];
  const correlationData = Buffer.from('00ff17', 'hex');

  const request = (client: WireClient, topic: string, payload: string | Buffer = '', properties: Properties = {}) =>
    client.publish(topic, { payload, properties: { responseTopic: 'replies/7', ...properties } });

  it('copies a Buffer, and Correlation Data: the method may go on to use them while the reply waits', async () => {
    const used: Buffer[] = [Buffer.from('before')];
    @Controller()
    class Shared {
      @OnRequest('shared')
      answer(@Ctx() { properties }: MQTTdContext): Observable<Buffer> {
        used.push(properties.correlationData!);
        return of(Buffer.from('first'), used[0]);
      }
    }
    const { client } = await start({ controllers: [Shared] });
    const requester = await client(5, { properties: { receiveMaximum: 1 } });
    await requester.subscribe('replies/+', { qos: 1 });
    requester.publish('shared', { qos: 1, properties: { responseTopic: 'replies/7', correlationData } });
    const packets = [await requester.next(), await requester.next()];
    expect(new Set(packets.map(({ type }) => type))).toEqual(new Set([PacketType.PUBACK, PacketType.PUBLISH]));

    for (const bytes of used) bytes.fill('x');
    requester.acknowledge(PacketType.PUBACK, 1);

    const { properties } = await requester.expectPublish('replies/7', 'before');
    expect(properties?.correlationData).toEqual(correlationData);
  });

  it('[MQTT-4.10] replies to the Response Topic with the Correlation Data', async () => {
    const { client } = await start({ controllers });
    const requester = await client();
    await requester.subscribe('replies/+');

    request(requester, 'calc/sum', '[1,2,3]', { correlationData });

    const reply = await requester.expectPublish('replies/7', '6', { qos: 0, retain: false });
    expect(reply.properties).toEqual({ correlationData });
  });

  it('replies without Correlation Data to a request that has none', async () => {
    const { client } = await start({ controllers });
    const requester = await client();
    await requester.subscribe('replies/7');

    request(requester, 'calc/sum', '[]');

    const reply = await requester.expectPublish('replies/7', '0');
    expect(reply.properties?.correlationData).toBeUndefined();
  });

  it('replies at the QoS of the request, lowered to that of the subscription', async () => {
    const { client } = await start({ controllers });
    const requester = await client();
    await requester.subscribe({ filter: 'replies/7', qos: 1 });

    requester.publish('calc/sum', { payload: '[1]', qos: 2, packetId: 9, properties: { responseTopic: 'replies/7' } });

    const one = await requester.next();
    const other = await requester.next();
    expect([one, other]).toContainEqual(expect.objectContaining({ type: PacketType.PUBREC }));
    expect([one, other].find(({ type }) => type === PacketType.PUBLISH)).toMatchObject({ topic: 'replies/7', qos: 1 });
  });

  it('sends each value of an Observable, in order', async () => {
    const { client } = await start({ controllers });
    const requester = await client();
    await requester.subscribe('replies/7');

    request(requester, 'calc/count/3', '', { correlationData });

    for (const value of ['1', '2', '3']) {
      const { properties } = await requester.expectPublish('replies/7', value);
      expect(properties?.correlationData).toEqual(correlationData);
    }
  });

  it('gives binary back as it is', async () => {
    const { client } = await start({ controllers });
    const requester = await client();
    await requester.subscribe('replies/7');

    request(requester, 'echo', Buffer.from('00fffe80', 'hex'));

    const { payload } = await requester.expectPublish('replies/7', '\0ÿþ\u0080');
    expect(payload).toEqual(Buffer.from('00fffe80', 'hex'));
  });

  it('sends no reply for undefined, and none to a request without Response Topic', async () => {
    const { client } = await start({ controllers });
    const requester = await client();
    await requester.subscribe('replies/7');

    request(requester, 'nothing');
    requester.publish('calc/sum', { payload: '[1]' });
    request(requester, 'calc/sum', '[2]');

    await requester.expectPublish('replies/7', '2');
    await requester.expectNothing();
  });

  it('replies to the requester alone, however many have subscribed to the Response Topic', async () => {
    const { client } = await start({ controllers });
    const requester = await client();
    const bystander = await client();
    await requester.subscribe('replies/7');
    await bystander.subscribe('replies/#');

    request(requester, 'calc/sum', '[1,2]');

    await requester.expectPublish('replies/7', '3');
    await bystander.expectNothing();
  });

  it('lends its authority to nobody: a Response Topic that the requester has not subscribed to gets nothing', async () => {
    const { client } = await start({ controllers });
    const requester = await client();
    const victim = await client();
    await victim.subscribe('door/open');

    request(requester, 'calc/sum', '[1]', { responseTopic: 'door/open' });
    request(requester, 'calc/sum', '[1]', { responseTopic: 'door/open' });
    await requester.subscribe('replies/7');
    request(requester, 'calc/sum', '[5]');

    await requester.expectPublish('replies/7', '5');
    await victim.expectNothing();
  });

  it('replies to a request of the application itself', async () => {
    const { app, client } = await start({ controllers });
    const watcher = await client();
    await watcher.subscribe('replies/7');

    await app.get(MQTTdPublisher).publish('calc/sum', [3, 4], { responseTopic: 'replies/7', correlationData });

    await watcher.expectPublish('replies/7', '7', {
      properties: { correlationData: correlationData.toString('latin1') },
    });
  });

  it.each([
    ['an error of its own', 'fail/plainly', 'Internal server error'],
    ['an RpcException', 'fail/rpc', 'numbers wanted'],
    ['a payload that is no JSON', 'calc/sum', 'the payload is not JSON'],
  ])('answers %s with an error reply, which says only what the requester may know', async (_title, topic, message) => {
    const { client, logged } = await start({ controllers });
    const requester = await client();
    await requester.subscribe('replies/7');

    request(requester, topic, '{', { correlationData });

    const { payload, properties } = (await requester.next(PacketType.PUBLISH)) as PublishPacket;
    expect(JSON.parse(payload.toString())).toEqual({ message: expect.stringContaining(message) });
    expect(properties).toMatchObject({ userProperties: [['status', 'error']], correlationData });
    await logged.find(
      (line) => /^warn \[MQTTd\] Calculator\.\w+ failed/.test(line) && line.includes(`topic="${topic}"`),
    );
  });

  it('sends what an Observable gave before it erred, then the error', async () => {
    const { client } = await start({ controllers });
    const requester = await client();
    await requester.subscribe('replies/7');

    request(requester, 'fail/after-one');

    await requester.expectPublish('replies/7', 'one');
    await requester.expectPublish('replies/7', '{"message":"enough"}', {
      properties: { userProperties: [['status', 'error']] },
    });
  });

  it('lets go of an Observable whose requester is gone', async () => {
    const isLetGo = new Inbox<string>();
    const ticks = new Subject<string>();
    @Controller()
    class Ticker {
      @OnRequest('ticks')
      ticks(): Observable<string> {
        return ticks.pipe(finalize(() => isLetGo.push('let go')));
      }
    }
    const { broker, client } = await start({ controllers: [Ticker] });
    const requester = await client();
    await requester.subscribe('replies/7');
    request(requester, 'ticks');
    await requester.settled();
    ticks.next('one');
    await requester.expectPublish('replies/7', 'one');

    requester.disconnect();
    await requester.expectClosed();
    expect(broker.sessions.size).toBe(0);
    ticks.next('two');

    expect(await isLetGo.next()).toBe('let go');
  });

  it('logs a value that JSON cannot say, and goes on', async () => {
    const { client, logged } = await start({ controllers });
    const requester = await client();
    await requester.subscribe('replies/7');

    request(requester, 'fail/unsayable');
    request(requester, 'calc/sum', '[1]');

    await requester.expectPublish('replies/7', '1');
    await logged.find((line) => line.includes('BigInt'));
  });
});
