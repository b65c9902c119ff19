import { describe, expect, it } from '@jest/globals';
import { Controller, ParseIntPipe } from '@nestjs/common';
import { Ctx } from '@nestjs/microservices';
import {
  ConnectedClient,
  MQTTdContext,
  MQTTdPublisher,
  OnPublish,
  OnSubscribe,
  Topic,
  TopicParam,
  type MQTTdClient,
} from 'nestjs-mqttd';
import { Inbox } from '../support/inbox.js';
import { apps } from '../support/nest-app.js';

describe('the parameters of a handler', () => {
  const start = apps();

  it('@Topic is the topic name, without anybody declaring a payload', async () => {
    const heard = new Inbox<string>();
    @Controller()
    class Sensors {
      @OnPublish('sensors/#')
      hear(@Topic() topic: string): void {
        heard.push(topic);
      }
    }
    const { client } = await start({ controllers: [Sensors] });
    const device = await client();

    device.publish('sensors/7/größe', { payload: Buffer.from([0xff]) });

    expect(await heard.next()).toBe('sensors/7/größe');
  });

  it('@TopicParam goes through pipes, and a pipe that refuses keeps the method from being called', async () => {
    const heard = new Inbox<number>();
    @Controller()
    class Sensors {
      @OnPublish('sensors/:id')
      hear(@TopicParam('id', ParseIntPipe) id: number): void {
        heard.push(id);
      }
    }
    const { client, logged } = await start({ controllers: [Sensors] });
    const device = await client();

    device.publish('sensors/seven');
    device.publish('sensors/7');

    expect(await heard.next()).toBe(7);
    await logged.find((line) => line.startsWith('warn [MQTTd] Sensors.hear failed topic="sensors/seven"'));
  });

  it('@ConnectedClient tells who published, and is undefined for the application itself', async () => {
    const heard = new Inbox<MQTTdClient | undefined>();
    @Controller()
    class Sensors {
      @OnPublish('a')
      hear(@ConnectedClient() client?: MQTTdClient): void {
        heard.push(client);
      }
    }
    const { app, client, port } = await start({ controllers: [Sensors] });
    const device = await client(4, { clientId: 'device-7', username: 'seven', cleanStart: false, keepAlive: 60 });

    device.publish('a');
    const byDevice = await heard.next();
    await app.get(MQTTdPublisher).publish('a', '');
    const byApplication = await heard.next();

    expect(byDevice).toMatchObject({
      clientId: 'device-7',
      username: 'seven',
      protocolVersion: 4,
      cleanStart: false,
      keepAlive: 60,
      listener: `mqtt://127.0.0.1:${port}`,
      remoteAddress: '127.0.0.1',
      tls: false,
    });
    expect(byDevice).not.toHaveProperty('password');
    expect(byApplication).toBeUndefined();
  });

  it('@Ctx is an MQTTdContext that knows all of the message', async () => {
    const heard = new Inbox<MQTTdContext>();
    @Controller()
    class Sensors {
      @OnPublish('sensors/:id/:kind')
      hear(@Ctx() context: MQTTdContext): void {
        heard.push(context);
      }
    }
    const { client } = await start({ controllers: [Sensors] });
    const device = await client(5, { clientId: 'device-7' });
    const properties = { contentType: 'text/plain', userProperties: [['unit', 'C']] as const };

    device.publish('sensors/7/temperature', { payload: '21', qos: 1, retain: true, properties });

    const context = await heard.next();
    expect(context).toBeInstanceOf(MQTTdContext);
    expect(context).toMatchObject({ topic: 'sensors/7/temperature', qos: 1, retain: true });
    expect(context.payload.toString()).toBe('21');
    expect(context.params).toEqual({ id: '7', kind: 'temperature' });
    expect(context.properties).toMatchObject(properties);
    expect(context.client?.clientId).toBe('device-7');
    expect(context.getArgs()).toEqual([context.message, context.topic]);
  });

  it('@Ctx of an older client has no properties', async () => {
    const heard = new Inbox<MQTTdContext>();
    @Controller()
    class Sensors {
      @OnPublish('a')
      hear(@Ctx() context: MQTTdContext): void {
        heard.push(context);
      }
    }
    const { client } = await start({ controllers: [Sensors] });
    const device = await client(3, { clientId: 'old' });

    device.publish('a');

    expect(await heard.next()).toMatchObject({ qos: 0, retain: false, properties: {}, params: {} });
  });

  it('in @OnSubscribe are those of the subscription: filter, names, client, no message', async () => {
    const heard = new Inbox<unknown[]>();
    @Controller()
    class Sensors {
      @OnSubscribe('sensors/:id/+')
      greet(
        @Topic() filter: string,
        @TopicParam('id', ParseIntPipe) id: number,
        @ConnectedClient() client: MQTTdClient,
        @Ctx() context: MQTTdContext,
      ): void {
        heard.push([filter, id, client.clientId, context.message, context.payload.length]);
      }
    }
    const { client } = await start({ controllers: [Sensors] });
    const device = await client(5, { clientId: 'device-7' });

    await device.subscribe('$share/group/sensors/7/+');

    expect(await heard.next()).toEqual(['sensors/7/+', 7, 'device-7', undefined, 0]);
  });
});
