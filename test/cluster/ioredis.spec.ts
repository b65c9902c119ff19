import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { builtLib } from '../support/built-lib.js';

const modules = builtLib();
const commonJs = builtLib('--module', 'commonjs', '--moduleResolution', 'bundler');

describe('ioredis', () => {
  it.each([
    ['an ES module', modules],
    ['CommonJS', commonJs],
  ])('is not even loaded where the package is used without redis, as %s', async (_, folder) => {
    const script = `
      const { createRequire } = await import('node:module');
      const { RedisRouter, MQTTdModule } = await import('${folder()}/index.js');
      const isLoaded = () =>
        Object.keys(createRequire('${folder()}/index.js').cache).some((path) => path.includes('/ioredis/'));
      MQTTdModule.forRoot({ port: 0 });
      console.log(typeof RedisRouter, isLoaded());
      await new RedisRouter({ port: 1 }).open({}).catch(({ code, message }) => console.log(code, message));
      console.log(isLoaded());`;

    const run = promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);

    const { stdout } = await run;
    expect(stdout.trim().split('\n')).toEqual([
      'function false',
      expect.stringMatching(/^REDIS_UNREACHABLE redis\.host: 127\.0\.0\.1:1 cannot be used \(.*ECONNREFUSED.*\)/),
      'true',
    ]);
  });
});
