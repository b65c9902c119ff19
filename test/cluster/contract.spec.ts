import { randomUUID } from 'node:crypto';
import { RedisRouter } from '../../lib/routers/redis.router.js';
import { testRedis } from '../support/redis.js';
import { describeRouter } from '../support/router-contract.js';

const redis = testRedis();

describeRouter('RedisRouter', () => new RedisRouter({ port: redis().port, keyPrefix: randomUUID() }));
