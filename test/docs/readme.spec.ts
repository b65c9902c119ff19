import { readFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import { Test } from '@nestjs/testing';
import { MQTTdBroker, MQTTdPublisher, RedisRouter, RedisStore } from 'nestjs-mqttd';
import { PacketType, type AcknowledgePacket } from '../../lib/protocol/packets.js';
import { until } from '../support/cluster.js';
import { codeBlocks } from '../support/markdown.js';
import { accepted, apps, openClient, portOf } from '../support/nest-app.js';
import { mqttJs } from '../support/mqttjs.js';
import { Program, programs } from '../support/programs.js';
import { testRedis } from '../support/redis.js';
import { builtSample } from '../support/samples.js';
import { SensorsController } from './readme-app.js';
import { TeamsAuth } from './readme-auth.js';
import { MetersController } from './readme-handlers.js';

const readme = readFileSync('README.md', 'utf8');

const blocks = (language: string): string[] => codeBlocks('README.md', language);

describe('README.md', () => {
  const start = apps();
  const connect = mqttJs();
  const run = programs();
  const redis = testRedis();
  const sampleApplication = builtSample('start');

  it('shows on its first screen what happens when its commands are typed', async () => {
    const [, listen, publish] = blocks('sh');
    const [appears] = blocks('text');
    const sample = new Program(process.execPath, [sampleApplication], {
      env: { ...process.env, MQTT_PORT: '0', NO_COLOR: '1' },
    });
    const port = /:(\d+)$/.exec(await sample.lines.find((line) => line.includes('listening on mqtt://')))![1];
    const typed = (command: string) => command.trim().replaceAll('1883', port);
    try {
      // mosquitto_sub keeps what it says in a buffer unless told otherwise; -d says when it has subscribed.
      const listener = run('sh', '-c', `exec stdbuf -oL ${typed(listen)} -d`);
      await listener.says('Subscribed');

      for (const command of typed(publish).split('\n')) {
        expect(spawnSync('sh', ['-c', command], { encoding: 'utf8' })).toMatchObject({ status: 0 });
      }

      for (const line of appears.trim().split('\n')) await listener.says(`${line}\n`);
    } finally {
      sample.kill('SIGTERM');
      await sample.finished;
    }
  });

  it('shows an application that is the one tested here', () => {
    expect(blocks('ts')[0]).toBe(readFileSync('test/docs/readme-app.ts', 'utf8'));
  });

  it('shows a health check that is the one tested', () => {
    expect(blocks('ts')).toContain(readFileSync('sample/05-two-nodes-redis/src/health.controller.ts', 'utf8'));
  });

  it('shows an Auth whose rights change as it says', async () => {
    expect(blocks('ts')).toContain(readFileSync('test/docs/readme-auth.ts', 'utf8'));
    const auth = new TeamsAuth();
    const { app, client } = await start({ mqttd: { port: 0, host: '127.0.0.1', auth } });
    const device = await client(5, { username: 'ann', password: Buffer.from('from your database') });
    await device.subscribe('teams/#');
    const publisher = app.get(MQTTdPublisher);
    const publishBoth = async () => {
      for (const team of ['red', 'blue']) await publisher.publish(`teams/${team}/x`, team);
    };

    await publishBoth();
    auth.move('ann', 'blue');
    await publishBoth();
    for (const team of ['red', 'blue']) await device.expectPublish(`teams/${team}/x`, team);
    auth.expel('ann');
    await device.expectDisconnect(0x87);
  });

  it('shows tests that are run here', () => {
    expect(blocks('ts')).toContain(readFileSync('test/docs/readme-testing.spec.ts', 'utf8'));
  });

  it('shows parts that come from DI, as they do here: a node around a Redis, which lets in whom the application knows', async () => {
    expect(blocks('ts')).toContain(readFileSync('test/docs/readme-parts.ts', 'utf8'));
    process.env.MQTT_PORT = '0';
    process.env.REDIS_URL = `redis://127.0.0.1:${redis().port}`;
    const { AppModule } = await import('./readme-parts.js');
    const module = await Test.createTestingModule({ imports: [AppModule] }).compile();
    await module.init();
    try {
      const { router, store } = module.get(MQTTdBroker);
      expect([router, store]).toEqual([expect.any(RedisRouter), expect.any(RedisStore)]);
      const stranger = await openClient(portOf(module));
      expect(await stranger.connect({ username: 'meter-7' })).toMatchObject({ reasonCode: 0x86 });
      const password = Buffer.from('from your database');
      await accepted(await openClient(portOf(module)), { username: 'meter-7', password });
    } finally {
      await module.close();
    }
  });

  it('shows handlers that decide, as it says', async () => {
    expect(blocks('ts')).toContain(readFileSync('test/docs/readme-handlers.ts', 'utf8'));
    const { app, open, client } = await start({ controllers: [MetersController] });
    const controller = app.get(MetersController);
    expect(await (await open()).connect({ clientId: 'retired' })).toMatchObject({ reasonCode: 0x8a });

    const meter = await client(5, { clientId: '7' });
    const told = async (topic: string, payload: string) => {
      meter.publish(topic, { payload, qos: 1 });
      return (await meter.next(PacketType.PUBACK)) as AcknowledgePacket;
    };

    expect(controller.online).toEqual(new Set(['7']));
    const { reasonCodes } = await meter.subscribe(['meters/7/name', 'meters/secret/#'], { qos: 2 });
    expect(reasonCodes).toEqual([1, 0x87]);
    expect((await told('meters/7/reading', '{"watts":60}')).reasonCode).toBe(0);
    expect(controller.stored).toEqual([{ watts: 60 }]);
    const refused = await told('meters/7/reading', '{"watts":-1}');
    expect(refused).toMatchObject({ reasonCode: 0x99, properties: { reasonString: 'watts must not be less than 0' } });
    expect((await told('meters/8/reading', '{"watts":60}')).reasonCode).toBe(0x87);
    expect((await told('meters/7/name', '')).reasonCode).toBe(0x10);
    meter.publish('meters/7/name', { payload: ' kitchen ', qos: 0 });
    await meter.expectPublish('meters/7/name', 'kitchen');
    meter.disconnect();
    await until(() => controller.online.size === 0);
  });

  it('shows handlers that do what it says', async () => {
    const { port } = await start({ controllers: [SensorsController] });
    const device = await connect(port, { protocolVersion: 5, clientId: 'device-7' });
    await device.client.subscribeAsync(['sensors/+/reading', 'answers/7']);
    expect(await device.next()).toBe('sensors/7/reading: {"celsius":21.5}');

    await device.client.publishAsync('calc/sum', '[1,2,39]', { properties: { responseTopic: 'answers/7' } });
    expect(await device.next()).toBe('answers/7: 42');

    await device.client.subscribeAsync('sensors/7/alarm', { qos: 1 });
    await device.client.publishAsync('sensors/7/reading', '{"celsius":61}');
    const heard = [await device.next(), await device.next()];
    expect(heard).toContain('sensors/7/reading: {"celsius":61}');
    expect(heard).toContain('sensors/7/alarm: {"by":"device-7"}');
  });

  it('names only files that are there', () => {
    const links = [...readme.matchAll(/\]\((?!https?:|#)([^)]+)\)/g)].map(([, path]) => path);
    expect(links.length).toBeGreaterThan(5);
    for (const path of links) expect(() => readFileSync(path)).not.toThrow(/ENOENT/);
  });
});
