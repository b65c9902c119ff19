import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  BadRequestException,
  Controller,
  ForbiddenException,
  HttpException,
  UnauthorizedException,
  UseGuards,
  ValidationPipe,
} from '@nestjs/common';
import { Payload, RpcException } from '@nestjs/microservices';
import { IsNumber, Max } from 'class-validator';
import { dropMessage, MQTTdException, OnPublish, replaceMessage, Topic } from 'nestjs-mqttd';
import { NEVER, of, throwError } from 'rxjs';
import { PacketType, type PublishPacket } from '../../lib/protocol/packets.js';
import type { WireClient } from '../support/wire-client.js';
import { Inbox } from '../support/inbox.js';
import { apps } from '../support/nest-app.js';

const { PUBACK, PUBREC, PUBREL, PUBCOMP, PUBLISH } = PacketType;

/** Calls under way, by payload: the test says how they end. */
let calls: Inbox<Call>;
beforeEach(() => {
  calls = new Inbox<Call>();
});

interface Call {
  readonly payload: string;
  resolve(value?: unknown): void;
  reject(error: unknown): void;
}

const underTest = (payload: string): Promise<unknown> =>
  new Promise((resolve, reject) => calls.push({ payload, resolve, reject }));

const call = (payload: string) => calls.find((one) => one.payload === payload);

@Controller()
class Deciding {
  @OnPublish('ack/#', { mode: 'ack' })
  acknowledge(@Payload() payload: string): Promise<unknown> {
    return underTest(payload);
  }

  @OnPublish('gate/#', { mode: 'gate' })
  pass(@Payload() payload: string): Promise<unknown> {
    return underTest(payload);
  }
}

const payloadFor = async (subscriber: WireClient): Promise<string> =>
  ((await subscriber.next(PUBLISH)) as PublishPacket).payload.toString();

describe.each([5, 4] as const)('a handler that decides, for a publisher of version %d', (version) => {
  const start = apps();

  it.each([1, 2] as const)(
    '`ack` at QoS %d: the message is delivered at once, and acknowledged when it is done',
    async (qos) => {
      const { client } = await start({ controllers: [Deciding] });
      const subscriber = await client();
      await subscriber.subscribe('ack/a', { qos: 0 });
      const publisher = await client(version);

      const packetId = publisher.publish('ack/a', { payload: 'x', qos });
      await subscriber.expectPublish('ack/a', 'x');
      await publisher.expectNothing();
      (await call('x')).resolve();

      await publisher.expect({ type: qos === 1 ? PUBACK : PUBREC, packetId });
    },
  );

  it.each([1, 2] as const)(
    '`gate` at QoS %d: nobody gets the message, now or later, before it is done',
    async (qos) => {
      const { client, broker } = await start({ controllers: [Deciding] });
      const subscriber = await client();
      await subscriber.subscribe('gate/a', { qos: 0 });
      const publisher = await client(version);

      const packetId = publisher.publish('gate/a', { payload: 'x', qos, retain: true });
      const { resolve } = await call('x');
      await publisher.expectNothing();
      await subscriber.expectNothing();
      expect(broker.retained.get('gate/a')).toBeUndefined();
      resolve();

      await publisher.expect({ type: qos === 1 ? PUBACK : PUBREC, packetId });
      await subscriber.expectPublish('gate/a', 'x');
      expect(broker.retained.get('gate/a')).toBeDefined();
    },
  );

  it('[MQTT-4.6.0-2] [MQTT-4.6.0-3] works side by side, but what comes of it is seen in the order of the messages', async () => {
    const { client } = await start({ controllers: [Deciding] });
    const subscriber = await client();
    await subscriber.subscribe('#', { qos: 0 });
    const publisher = await client(version);

    publisher.publish('gate/a', { payload: '1', qos: 1, packetId: 1 });
    publisher.publish('gate/b', { payload: '2', qos: 2, packetId: 2 });
    publisher.publish('free', { payload: '3', qos: 0 });
    publisher.publish('ack/a', { payload: '4', qos: 1, packetId: 4 });
    publisher.publish('free', { payload: '5', qos: 1, packetId: 5 });
    publisher.publish('$SYS/x', { payload: '6', qos: 1, packetId: 6 });
    (await call('2')).resolve();
    await publisher.expectNothing();
    await subscriber.expectNothing();
    (await call('1')).resolve();

    await publisher.expect({ type: PUBACK, packetId: 1 });
    await publisher.expect({ type: PUBREC, packetId: 2 });
    for (const payload of ['1', '2', '3', '4', '5']) await subscriber.expect({ type: PUBLISH, payload });
    await publisher.expectNothing();
    (await call('4')).resolve();
    for (const packetId of [4, 5, 6]) await publisher.expect({ type: PUBACK, packetId });
  });

  it('lets pass at QoS 0 what it lets pass', async () => {
    const { client } = await start({ controllers: [Deciding] });
    const subscriber = await client();
    await subscriber.subscribe('#', { qos: 0 });
    const publisher = await client(version);

    for (const payload of ['no', 'yes']) publisher.publish('gate/a', { payload });
    (await call('no')).reject(new MQTTdException(0x87));
    (await call('yes')).resolve();

    await subscriber.expectPublish('gate/a', 'yes');
  });

  it.each([1, 2] as const)('`gate` drops or replaces what was published at QoS %d', async (qos) => {
    const { client } = await start({ controllers: [Deciding] });
    const subscriber = await client();
    await subscriber.subscribe('#', { qos: 2 });
    const publisher = await client(version);
    const type = qos === 1 ? PUBACK : PUBREC;
    const none = version === 5 ? { reasonCode: 0x10 } : {};

    for (const payload of ['dropped', 'silently', 'replaced']) publisher.publish('gate/a', { payload, qos });
    (await call('dropped')).resolve(dropMessage());
    (await call('silently')).resolve(dropMessage(0));
    (await call('replaced')).resolve(
      replaceMessage({ topic: 'other', payload: { n: 1 }, qos: 1, contentType: 'json' }),
    );

    await publisher.expect({ type, ...none });
    await publisher.expect({ type, reasonCode: 0 });
    await publisher.expect({ type, reasonCode: 0 });
    await subscriber.expectPublish('other', '{"n":1}', { qos: 1, properties: { contentType: 'json' } });
    await subscriber.expectNothing();
  });

  it('[MQTT-4.3.3-10] a QoS 2 message that comes again meanwhile waits for the same call, on another connection too', async () => {
    const { client } = await start({ controllers: [Deciding] });
    const subscriber = await client();
    await subscriber.subscribe('#', { qos: 0 });
    const session = {
      clientId: 'c',
      cleanStart: false,
      ...(version === 5 && { properties: { sessionExpiryInterval: 60 } }),
    };
    const first = await client(version, session);
    first.publish('gate/a', { payload: 'x', qos: 2, packetId: 7 });
    const { resolve } = await call('x');
    const again = await client(version, session);
    again.publish('gate/a', { payload: 'x', qos: 2, packetId: 7, dup: true });
    await again.expectNothing();

    resolve();

    await again.expect({ type: PUBREC, packetId: 7 });
    again.acknowledge(PUBREL, 7);
    await again.expect({ type: PUBCOMP, packetId: 7 });
    await subscriber.expectPublish('gate/a', 'x');
    await subscriber.expectNothing();
    expect(calls.all).toHaveLength(1);
  });
});

describe('a handler that says no', () => {
  const start = apps();

  it.each<[string, unknown, number, string | undefined]>([
    ['MQTTdException', new MQTTdException(0x97, 'too much'), 0x97, 'too much'],
    ['MQTTdException without text', new MQTTdException(0x91), 0x91, undefined],
    ['MQTTdException with a code that an acknowledgement has not', new MQTTdException(0x8c, 'x'), 0x83, 'x'],
    ['BadRequestException', new BadRequestException(['a', 'b']), 0x99, 'a; b'],
    ['HttpException 422', new HttpException('bad', 422), 0x99, 'bad'],
    ['UnauthorizedException', new UnauthorizedException('who?'), 0x87, 'who?'],
    ['ForbiddenException', new ForbiddenException('not you'), 0x87, 'not you'],
    ['HttpException 413', new HttpException('large', 413), 0x97, 'large'],
    ['HttpException 429', new HttpException('many', 429), 0x97, 'many'],
    ['HttpException 500', new HttpException('secret', 500), 0x83, undefined],
    ['RpcException', new RpcException('said so'), 0x83, 'said so'],
    ['Error', new Error('secret'), 0x83, undefined],
    ['nothing', undefined, 0x83, undefined],
  ])('by %s: the publisher of MQTT 5 is told', async (_, error, reasonCode, reasonString) => {
    const { client } = await start({ controllers: [Deciding] });
    const subscriber = await client();
    await subscriber.subscribe('#', { qos: 0 });
    const publisher = await client();
    const properties = reasonString === undefined ? undefined : { reasonString };

    for (const topic of ['gate/a', 'ack/a']) {
      for (const [qos, type] of [
        [1, PUBACK],
        [2, PUBREC],
      ] as const) {
        const packetId = publisher.publish(topic, { payload: `${topic} ${qos}`, qos });
        (await call(`${topic} ${qos}`)).reject(error);

        expect(await publisher.expect({ type, packetId, reasonCode })).toMatchObject({ properties });
        // [MQTT-4.3.3-9] the packet identifier is free.
        publisher.publish('free', { payload: 'x', qos, packetId });
        await publisher.expect({ type, packetId, reasonCode: 0 });
      }
    }

    const heard = [];
    for (let count = 0; count < 6; count++) heard.push(await payloadFor(subscriber));
    expect(heard).toEqual(['x', 'x', 'ack/a 1', 'x', 'ack/a 2', 'x']);
  });

  it.each([1, 2] as const)(
    'at QoS %d to a publisher of 3.1.1, which cannot be told: acknowledged, and dropped by a gate',
    async (qos) => {
      const { client, logged } = await start({ controllers: [Deciding] });
      const subscriber = await client();
      await subscriber.subscribe('#', { qos: 0 });
      const publisher = await client(4);

      for (const topic of ['gate/a', 'ack/a']) {
        const packetId = publisher.publish(topic, { payload: topic, qos });
        (await call(topic)).reject(new ForbiddenException('not you'));
        await publisher.expect({ type: qos === 1 ? PUBACK : PUBREC, packetId });
      }

      await subscriber.expectPublish('ack/a', 'ack/a');
      await subscriber.expectNothing();
      await logged.find((line) => line === 'warn [MQTTd] Deciding.pass failed topic="gate/a": not you');
    },
  );
});

describe('a fault over a message of a client of 3.1.1', () => {
  const start = apps();
  const session = { clientId: 'c', cleanStart: false };

  it.each([
    ['gate', 1],
    ['gate', 2],
    ['ack', 1],
    ['ack', 2],
  ] as const)('in the mode `%s` at QoS %d cuts it off unacknowledged, and it sends again', async (mode, qos) => {
    const { client } = await start({ controllers: [Deciding] });
    const subscriber = await client();
    await subscriber.subscribe('#', { qos: 0 });
    const type = qos === 1 ? PUBACK : PUBREC;
    const first = await client(4, session);
    first.publish(`${mode}/a`, { payload: 'x', qos, packetId: 7 });
    first.publish('free', { payload: 'behind', qos, packetId: 8 });
    (await call('x')).reject(new Error('broken'));
    await first.expectClosed();
    calls = new Inbox();

    const again = await client(4, session);
    again.publish(`${mode}/a`, { payload: 'x', qos, packetId: 7, dup: true });
    again.publish('free', { payload: 'behind', qos, packetId: 8, dup: true });
    (await call('x')).resolve();

    await again.expect({ type, packetId: 7 });
    await again.expect({ type, packetId: 8 });
    // What was routed is not routed again at QoS 2; at QoS 1 it may be.
    const once = ['x', 'behind'];
    const expected = mode === 'ack' && qos === 1 ? [...once, ...once] : once;
    const heard: string[] = [];
    while (heard.length < expected.length) heard.push(await payloadFor(subscriber));
    expect(heard).toEqual(expected);
    await subscriber.expectNothing();
  });

  it('is given up after so many attempts: acknowledged, and logged', async () => {
    const { client, logged } = await start({
      controllers: [Deciding],
      mqttd: { port: 0, limits: { maximumPublishFaults: 3 } },
    });
    for (let attempt = 1; attempt <= 3; attempt++) {
      const publisher = await client(4, session);
      publisher.publish('gate/a', { payload: `x${attempt}`, qos: 1, packetId: 7, dup: attempt > 1 });
      (await call(`x${attempt}`)).reject(new Error('broken'));
      if (attempt < 3) await publisher.expectClosed();
      else await publisher.expect({ type: PUBACK, packetId: 7 });
    }

    await logged.find((line) => line.includes('message acknowledged though it failed topic="gate/a" attempts=3'));
  });
});

class ReadingDto {
  @IsNumber()
  @Max(60)
  celsius!: number;
}

@Controller()
class Guarded {
  @OnPublish('readings', { mode: 'gate' })
  read(@Payload(new ValidationPipe({ expectedType: ReadingDto })) _reading: ReadingDto): void {}

  @OnPublish('guarded', { mode: 'ack' })
  @UseGuards({ canActivate: () => false })
  guarded(): void {}

  @OnPublish('throwing-guard', { mode: 'ack' })
  @UseGuards({
    canActivate: () => {
      throw new UnauthorizedException('who are you?');
    },
  })
  throwingGuard(): void {}

  @OnPublish('streams/done', { mode: 'gate' })
  done() {
    return of(1, dropMessage());
  }

  @OnPublish('streams/failed', { mode: 'gate' })
  failed() {
    return throwError(() => new MQTTdException(0x97));
  }

  @OnPublish('streams/never', { mode: 'gate' })
  never() {
    return NEVER;
  }

  @OnPublish('chain/#', { mode: 'gate' })
  first(@Payload() payload: string) {
    return payload === 'stop' ? dropMessage() : replaceMessage({ payload: `${payload}1` });
  }

  @OnPublish('chain/+', { mode: 'gate' })
  second(@Payload() payload: string, @Topic() topic: string) {
    return replaceMessage({ payload: `${payload}2${topic}` });
  }
}

describe('what stands before a handler that decides', () => {
  const start = apps();

  it.each<[string, string, string, number, string | undefined]>([
    ['a DTO that is not met', 'readings', '{"celsius":71}', 0x99, 'celsius must not be greater than 60'],
    [
      'a payload that is no JSON',
      'readings',
      'x',
      0x99,
      'the payload is not JSON; declare the parameter as Buffer or string to get it as it is',
    ],
    ['a DTO that is met', 'readings', '{"celsius":21}', 0x10, undefined],
    ['a guard that says no', 'guarded', '', 0x87, 'Forbidden resource'],
    ['a guard that throws', 'throwing-guard', '', 0x87, 'who are you?'],
    ['an Observable, by its last value', 'streams/done', '', 0x10, undefined],
    ['an Observable that errs', 'streams/failed', '', 0x97, undefined],
  ])('%s is told', async (_, topic, payload, reasonCode, reasonString) => {
    const { client } = await start({ controllers: [Guarded] });
    const publisher = await client();

    const packetId = publisher.publish(topic, { payload, qos: 1 });

    const puback = await publisher.expect({ type: PUBACK, packetId, reasonCode });
    expect((puback as { properties?: object }).properties).toEqual(
      reasonString === undefined ? undefined : { reasonString },
    );
  });

  it('several gates: each gets what the one before has made of the message', async () => {
    const { client } = await start({ controllers: [Guarded] });
    const subscriber = await client();
    await subscriber.subscribe('chain/#', { qos: 0 });

    for (const payload of ['stop', 'go']) (await client()).publish('chain/a', { payload, qos: 1 });

    await subscriber.expectPublish('chain/a', 'go12chain/a');
  });

  it('its deadline: the publisher is told 0x83', async () => {
    const { client, logged } = await start({ controllers: [Guarded], mqttd: { port: 0, handlerTimeoutMs: 50 } });
    const publisher = await client();

    publisher.publish('streams/never', { qos: 1, packetId: 5 });

    await publisher.expect({ type: PUBACK, packetId: 5, reasonCode: 0x83 });
    await logged.find((line) => line === 'warn [MQTTd] Guarded.never failed topic="streams/never": not done in time');
  });
});
