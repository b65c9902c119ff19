import 'reflect-metadata';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Module, type INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, Payload, Transport, type AsyncMicroserviceOptions } from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import {
  MQTTdBroker,
  MQTTdException,
  MQTTdModule,
  MQTTdPublisher,
  MQTTdStrategy,
  OnPublish,
  OnRequest,
  replaceMessage,
} from 'nestjs-mqttd';
import { PacketType } from '../../lib/protocol/packets.js';
import { Inbox } from '../support/inbox.js';
import { accepted, logInto, openClient, portOf } from '../support/nest-app.js';

let heard = new Inbox<string>();
let logged = new Inbox<string>();

@Controller()
class Sensors {
  @OnPublish('sensors/:id')
  hear(@Payload() text: string): void {
    heard.push(text);
  }

  @OnPublish('kept/+', { mode: 'ack' })
  keep(@Payload() text: string): void {
    if (text === 'no') throw new MQTTdException(0x97, 'no room');
  }

  @OnPublish('checked/+', { mode: 'gate' })
  check(@Payload() text: string): unknown {
    if (text === 'no') throw new MQTTdException(0x99, 'not like that');
    return replaceMessage({ payload: text.toUpperCase() });
  }

  @OnRequest('sensors')
  list(): string[] {
    return ['7', '8'];
  }

  @EventPattern('other/server', Transport.TCP)
  other(@Payload() text: string): void {
    heard.push(`by TCP: ${text}`);
  }
}

@Module({ imports: [MQTTdModule.forRoot({ port: 0 })], controllers: [Sensors] })
class AppModule {}

describe('the broker is hosted by', () => {
  const running: INestApplicationContext[] = [];
  const options = () => {
    logged = new Inbox();
    return { logger: logInto(logged), abortOnError: false };
  };
  const remember = <App extends INestApplicationContext>(app: App): App => {
    running.push(app);
    return app;
  };

  afterEach(async () => {
    await Promise.all(running.splice(0).map((app) => app.close()));
    heard = new Inbox();
  });

  /** Whether handlers hear, and hear once; clients are served, and the broker was started once. */
  const works = async (app: INestApplicationContext): Promise<void> => {
    const client = await accepted(await openClient(portOf(app)));
    await client.subscribe('replies');
    client.publish('other/server', { payload: 'not for us' });
    client.publish('sensors/7', { payload: '21' });
    client.publish('sensors', { properties: { responseTopic: 'replies' } });
    await client.expectPublish('replies', '["7","8"]');
    await client.subscribe(['kept/+', 'checked/+']);
    for (const [topic, payload, delivered, reasonCode] of [
      ['kept/a', 'yes', 'yes', 0],
      ['kept/a', 'no', 'no', 0x97],
      ['checked/a', 'yes', 'YES', 0],
      ['checked/a', 'no', undefined, 0x99],
    ] as const) {
      const packetId = client.publish(topic, { payload, qos: 1 });
      if (delivered !== undefined) await client.expectPublish(topic, delivered);
      await client.expect({ type: PacketType.PUBACK, packetId, reasonCode });
    }
    await client.settled();
    expect(heard.all).toEqual(['21']);
    expect(logged.all.filter((line) => line.startsWith('log [MQTTd] listening on'))).toHaveLength(1);
    client.disconnect();
  };

  it('createApplicationContext', async () => {
    const app = remember(await NestFactory.createApplicationContext(AppModule, options()));

    await works(app);
  });

  it('create and listen, next to HTTP', async () => {
    const app = remember(await NestFactory.create(AppModule, options()));
    await app.listen(0, '127.0.0.1');

    await works(app);
    expect((await fetch(`${await app.getUrl()}/`)).status).toBe(404);
  });

  it('create and init', async () => {
    const app = remember(await NestFactory.create(AppModule, options()));
    await app.init();

    await works(app);
  });

  it('Test.createTestingModule, and not before it is initialized', async () => {
    const { logger } = options();
    const module = await Test.createTestingModule({ imports: [AppModule] })
      .setLogger(logger)
      .compile();
    remember(module);
    expect(logged.all.filter((line) => line.includes('listening on'))).toEqual([]);

    await module.init();

    await works(module);
  });

  it('Test.createTestingModule, which closes again without ever having been initialized', async () => {
    const module = await Test.createTestingModule({ imports: [AppModule] }).compile();

    await module.close();
  });

  it('connectMicroservice: the module steps aside', async () => {
    const app = remember(await NestFactory.create(AppModule, options()));
    app.connectMicroservice({ strategy: app.get(MQTTdStrategy) }, { inheritAppConfig: true });
    await app.init();
    expect(logged.all.filter((line) => line.includes('listening on'))).toEqual([]);

    await app.startAllMicroservices();

    await works(app);
  });

  it('connectMicroservice, beside a microservice of another transport, with startAllMicroservices first', async () => {
    const app = remember(await NestFactory.create(AppModule, options()));
    app.connectMicroservice({ strategy: app.get(MQTTdStrategy) });
    app.connectMicroservice({ transport: Transport.TCP, options: { port: 0 } });
    await app.startAllMicroservices();
    await app.listen(0, '127.0.0.1');

    await works(app);
  });

  it('the module itself, beside a microservice of another transport', async () => {
    const app = remember(await NestFactory.create(AppModule, options()));
    app.connectMicroservice({ transport: Transport.TCP, options: { port: 0 } });
    await app.startAllMicroservices();
    await app.listen(0, '127.0.0.1');

    await works(app);
  });

  it('createMicroservice, whose strategy comes from the container', async () => {
    const app = remember(
      await NestFactory.createMicroservice<AsyncMicroserviceOptions>(AppModule, {
        ...options(),
        useFactory: (strategy: MQTTdStrategy) => ({ strategy }),
        inject: [MQTTdStrategy],
      }),
    );
    await app.listen();

    await works(app);
    expect(app.unwrap()).toBe(app.get(MQTTdBroker));
  });

  it('two applications in one process, which know nothing of each other', async () => {
    const one = remember(await NestFactory.createApplicationContext(AppModule, options()));
    const other = remember(await NestFactory.createApplicationContext(AppModule, options()));
    const ofOne = await accepted(await openClient(portOf(one)), { clientId: 'same' });
    const ofOther = await accepted(await openClient(portOf(other)), { clientId: 'same' });
    await ofOne.subscribe('#');
    await ofOther.subscribe('#');

    await one.get(MQTTdPublisher).publish('a', 'to one');
    await ofOne.expectPublish('a', 'to one');
    await ofOther.expectNothing();
    await one.close();

    await ofOne.expectDisconnect(0x8b);
    await works(other);
  });
});
