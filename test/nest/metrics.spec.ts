import { describe, expect, it } from '@jest/globals';
import { MQTTdBroker, MQTTdMetrics } from 'nestjs-mqttd';
import { apps } from '../support/nest-app.js';

describe('MQTTdMetrics', () => {
  const start = apps();

  it('tells what the broker does, as Prometheus reads it', async () => {
    const { app, client } = await start();
    const device = await client(5, { clientId: '7' });
    await device.subscribe(['a', 'b']);
    device.publish('a', { payload: 'x', retain: true });
    await device.expectPublish('a', 'x');

    const text = app.get(MQTTdMetrics).text();

    // Every line is a comment or a sample, and each sample has its comments right before it.
    const lines = text.trimEnd().split('\n');
    const samples = new Map<string, number>();
    for (let index = 0; index < lines.length; index += 3) {
      const [, name] = /^# HELP (mqttd_[a-z_]+) .+\.$/.exec(lines[index])!;
      expect(lines[index + 1]).toBe(`# TYPE ${name} ${name.endsWith('_total') ? 'counter' : 'gauge'}`);
      const [, sampled, value] = /^(mqttd_[a-z_]+)(?:\{listener="mqtt:[^"\\]+"\})? (\d+)$/.exec(lines[index + 2])!;
      expect(sampled).toBe(name);
      samples.set(name, Number(value));
    }
    expect(Object.fromEntries(samples)).toMatchObject({
      mqttd_connections: 1,
      mqttd_sessions: 1,
      mqttd_subscriptions: 2,
      mqttd_retained_messages: 1,
      mqttd_messages_received_total: 1,
      mqttd_messages_sent_total: 1,
      mqttd_connections_opened_total: 1,
      mqttd_listener_connections: 1,
      mqttd_listener_connections_opened_total: 1,
    });
  });
});

describe('MQTTdBroker.disconnect', () => {
  const start = apps();

  it('sends a client away, and says why', async () => {
    const { app, client } = await start();
    const broker = app.get(MQTTdBroker);
    const [newer, older] = [await client(5, { clientId: '5' }), await client(4, { clientId: '4' })];

    expect(broker.disconnect('5', undefined, 'come back tomorrow')).toBe(true);
    expect(broker.disconnect('4')).toBe(true);
    expect(broker.disconnect('4')).toBe(false);
    expect(broker.disconnect('nobody')).toBe(false);

    await newer.expect({ type: 14, reasonCode: 0x98, properties: { reasonString: 'come back tomorrow' } });
    await older.expectClosed();
  });
});
