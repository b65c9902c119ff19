import { describe, expect, it } from '@jest/globals';
import { MQTTdHealthIndicator, RedisRouter } from 'nestjs-mqttd';
import { until } from '../support/cluster.js';
import { apps } from '../support/nest-app.js';
import { testRedis } from '../support/redis.js';

const redis = testRedis();
const start = apps();

describe('MQTTdHealthIndicator with Redis', () => {
  it('is up with Redis, down without, and up again when Redis is back', async () => {
    const options = { port: redis().port, keyPrefix: 'health-1', nodeId: 'north', retryMs: 20 };
    const { app, port, broker } = await start({ mqttd: { port: 0, redis: options } });
    const { node } = broker.router as RedisRouter;
    const check = () => app.get(MQTTdHealthIndicator).check().mqtt;
    const known = { listeners: [`mqtt://127.0.0.1:${port}`], connections: 0, node };
    expect(node).toMatch(/^north\./);
    expect(check()).toEqual({ status: 'up', ...known, redis: 'up' });

    await redis().kill();
    await until(() => check().status === 'down');
    expect(check()).toEqual({ status: 'down', ...known, redis: 'away' });

    await redis().run();
    await until(() => check().status === 'up');
    expect(check()).toEqual({ status: 'up', ...known, redis: 'up' });
  });
});
