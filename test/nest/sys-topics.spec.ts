import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { Controller, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { MQTTdModule, MQTTdPublisher, MQTTdTesting, OnPublish } from 'nestjs-mqttd';
import { version } from '../../lib/mqttd.version.js';
import { Inbox } from '../support/inbox.js';
import { apps } from '../support/nest-app.js';
import { programs } from '../support/programs.js';

const packageVersion = (JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }).version;

describe('$SYS topics', () => {
  const start = apps();
  const run = programs();

  it('are none unless they are asked for', async () => {
    const { client } = await start();
    const device = await client();
    await device.subscribe('$SYS/#');
    await device.expectNothing();
  });

  it('tell mosquitto_sub at once how the broker is', async () => {
    const { port, client } = await start({ mqttd: { port: 0, sysTopics: true } });
    await client(5, { clientId: 'here' });

    const { stdout } = await run('mosquitto_sub', '-p', port, '-t', '$SYS/broker/version', '-C', 1).finished;

    expect(stdout.trim()).toBe(packageVersion);
    expect(version).toBe(packageVersion);
  });

  it('follow what happens, each when it changes', async () => {
    const mqtt = new MQTTdTesting();
    @Module({ imports: [MQTTdModule.forRoot({ sysTopics: { intervalMs: 5000 } })] })
    class AppModule {}
    const module = await mqtt.in(Test.createTestingModule({ imports: [AppModule] })).compile();
    await module.init();
    const watcher = await mqtt.connect({ clientId: 'watcher' });
    await watcher.subscribe(['$SYS/broker/clients/#', '$SYS/broker/publish/+/received', '$SYS/broker/uptime']);
    const retained = await Promise.all(Array.from({ length: 5 }, () => watcher.next()));
    const asRetained = Object.fromEntries(retained.map(({ topic, text }) => [topic.slice(12), text]));
    expect(asRetained).toEqual({
      'clients/connected': '0',
      'clients/disconnected': '0',
      'clients/total': '0',
      'publish/messages/received': '0',
      uptime: '0 seconds',
    });

    await watcher.publish('x', 'y');
    mqtt.clock.advance(5000);

    const changed = await Promise.all(Array.from({ length: 4 }, () => watcher.next()));
    expect(Object.fromEntries(changed.map(({ topic, text }) => [topic.slice(12), text]))).toEqual({
      'clients/connected': '1',
      'clients/total': '1',
      'publish/messages/received': '1',
      uptime: '5 seconds',
    });
    await module.close();
  });

  it('are heard by observers, but by no handler; # does not match them', async () => {
    const handled = new Inbox<string>();
    @Controller()
    class Curious {
      @OnPublish('$SYS/#')
      hear(): void {
        handled.push('handled');
      }
    }
    const { app, client } = await start({ controllers: [Curious], mqttd: { port: 0, sysTopics: { intervalMs: 100 } } });
    const observed = new Inbox<string>();
    app
      .get(MQTTdPublisher)
      .observe('$SYS/broker/uptime')
      .subscribe(({ topic }) => observed.push(topic));
    const everything = await client();
    await everything.subscribe('#');

    await observed.next();

    expect(handled.all).toEqual([]);
    await everything.expectNothing();
  });

  it('[A25] cannot be published by clients', async () => {
    const { client } = await start({ mqttd: { port: 0, sysTopics: true } });
    const device = await client();
    const packetId = device.publish('$SYS/broker/uptime', { qos: 1, retain: true, payload: 'forged' });
    await device.expect({ type: 4, packetId, reasonCode: 0x87 });
  });

  it.each([0, 99, 1.5, 'often'])('with an interval of %p are an error at start-up', async (intervalMs) => {
    await expect(start({ mqttd: { port: 0, sysTopics: { intervalMs: intervalMs as number } } })).rejects.toThrow(
      /sysTopics.intervalMs: .*; use a whole number from 100 on/,
    );
  });
});
