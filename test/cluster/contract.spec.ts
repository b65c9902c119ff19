import { randomUUID } from 'node:crypto';
import { afterEach } from '@jest/globals';
import { RedisRouter } from '../../lib/routers/redis.router.js';
import { MemoryStore } from '../../lib/stores/memory.store.js';
import { RedisStore } from '../../lib/stores/redis.store.js';
import { testRedis } from '../support/redis.js';
import { describeRouter } from '../support/router-contract.js';
import { describeStore } from '../support/store-contract.js';

const redis = testRedis();
let prefix = '';
afterEach(() => redis().thaw());

function freshRouter(): RedisRouter {
  prefix = randomUUID();
  return new RedisRouter({ port: redis().port, keyPrefix: prefix, commandTimeoutMs: 1000, retryMs: 20 });
}

describeRouter('RedisRouter', () => ({ router: freshRouter() }));
describeRouter('RedisRouter beside a RedisStore', () => ({ router: freshRouter(), store: new RedisStore() }));

describeStore('RedisStore', () => ({ router: freshRouter(), store: new RedisStore() }), {
  kept: () => redis().keysOfSessions(prefix),
  fail: () => {
    redis().freeze();
    return () => redis().thaw();
  },
});
describeStore('MemoryStore beside a RedisRouter', () => ({ router: freshRouter(), store: new MemoryStore() }));
