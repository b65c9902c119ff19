import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { TerminusModule } from '@nestjs/terminus';
import { MQTTdHealthIndicator } from 'nestjs-mqttd';
import { HealthController } from '../docs/readme-terminus.js';
import { codeBlocks } from '../support/markdown.js';
import { apps } from '../support/nest-app.js';
import { UnreadyRouter } from '../support/unready-router.js';

describe('MQTTdHealthIndicator in @nestjs/terminus', () => {
  const start = apps();
  const parts = { imports: [TerminusModule.forRoot({ logger: false })], controllers: [HealthController] };

  it('is used as the README shows it', () => {
    expect(codeBlocks('README.md', 'ts')).toContain(readFileSync('test/docs/readme-terminus.ts', 'utf8'));
  });

  it('makes a health check answer 200 when it is up', async () => {
    const { app } = await start(parts);
    await app.listen(0, '127.0.0.1');

    const answer = await fetch(`${await app.getUrl()}/health`);

    const details = app.get(MQTTdHealthIndicator).check();
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({ status: 'ok', info: details, error: {}, details });
  });

  it('makes a health check answer 503 when it is down', async () => {
    const { app } = await start({ ...parts, mqttd: { port: 0, router: UnreadyRouter } });
    await app.listen(0, '127.0.0.1');

    const answer = await fetch(`${await app.getUrl()}/health`);

    const details = app.get(MQTTdHealthIndicator).check();
    expect(answer.status).toBe(503);
    expect(await answer.json()).toEqual({ status: 'error', info: {}, error: details, details });
  });
});
