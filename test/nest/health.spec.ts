import { describe, expect, it } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import { MQTTdHealthIndicator, MQTTdModule, MQTTdStrategy, OnPublish } from 'nestjs-mqttd';
import { filter, firstValueFrom } from 'rxjs';
import { HealthController } from '../../sample/05-two-nodes-redis/src/health.controller.js';
import { Inbox } from '../support/inbox.js';
import { apps } from '../support/nest-app.js';
import { UnreadyRouter } from '../support/unready-router.js';

const heard = new Inbox<string>();
const door = { open: () => {} };

@Controller()
class Slow {
  @OnPublish('slow')
  async hear(@Payload() text: string): Promise<void> {
    const opened = new Promise<void>((resolve) => (door.open = resolve));
    heard.push(text);
    await opened;
  }
}

describe('MQTTdHealthIndicator', () => {
  const start = apps();

  it('is up once the broker listens, and names listeners and connections', async () => {
    const { app, port, client } = await start();
    await client();

    const health = app.get(MQTTdHealthIndicator).check();

    expect(health).toEqual({ mqtt: { status: 'up', listeners: [`mqtt://127.0.0.1:${port}`], connections: 1 } });
  });

  it('puts its result below the key that it is given', async () => {
    const { app } = await start();

    expect(app.get(MQTTdHealthIndicator).check('broker').broker.status).toBe('up');
  });

  it('is down before the application is initialized', async () => {
    const module = await Test.createTestingModule({ imports: [MQTTdModule.forRoot({ port: 0 })] }).compile();

    expect(module.get(MQTTdHealthIndicator).check().mqtt).toEqual({ status: 'down', listeners: [], connections: 0 });
  });

  it('is down while the application ends and waits for a handler, though clients are still connected', async () => {
    const { app, client } = await start({ controllers: [Slow] });
    const device = await client();
    device.publish('slow', { payload: 'begun' });
    await heard.find((text) => text === 'begun');

    const closing = app.close();
    await firstValueFrom(app.get(MQTTdStrategy).status.pipe(filter((status) => status === 'draining')));

    expect(app.get(MQTTdHealthIndicator).check().mqtt).toEqual({ status: 'down', listeners: [], connections: 1 });
    door.open();
    await closing;
  });

  it('is down after the application was closed', async () => {
    const { app } = await start();
    const indicator = app.get(MQTTdHealthIndicator);

    await app.close();

    expect(indicator.check().mqtt).toEqual({ status: 'down', listeners: [], connections: 0 });
  });

  it('is down while the router is not ready', async () => {
    const { app, port } = await start({ mqttd: { port: 0, router: UnreadyRouter } });

    const { mqtt } = app.get(MQTTdHealthIndicator).check();

    expect(mqtt).toEqual({ status: 'down', listeners: [`mqtt://127.0.0.1:${port}`], connections: 0 });
  });

  it.each([
    ['200 when it is up', { port: 0 }, 200],
    ['503 when it is down', { port: 0, router: UnreadyRouter }, 503],
  ])('makes the endpoint of the README answer %s, with the same details', async (_title, mqttd, status) => {
    const { app } = await start({ mqttd, controllers: [HealthController] });
    await app.listen(0, '127.0.0.1');

    const answer = await fetch(`${await app.getUrl()}/health`);

    expect(answer.status).toBe(status);
    expect(await answer.json()).toEqual(app.get(MQTTdHealthIndicator).check());
  });
});
