import { describe, expect, it } from '@jest/globals';
import type { RedisServerOptions } from '../../lib/redis/redis-options.js';
import { certificates } from '../support/certificates.js';
import { nodesAround, untilWanted } from '../support/cluster.js';
import { publishWhole } from '../support/exchanges.js';
import { freePort, testRedis } from '../support/redis.js';

const { ca, server, client } = certificates();
const port = await freePort();
const files = ['--tls-cert-file', server.certFile, '--tls-key-file', server.keyFile, '--tls-ca-cert-file', ca.certFile];
testRedis({ settings: ['--tls-port', String(port), '--tls-auth-clients', 'yes', ...files] });

/** Redis asks for a certificate of ours as well. */
const tls = { ca: ca.cert, key: client.key, cert: client.cert };
const { start } = nodesAround(() => ({}));

describe('nodes around a Redis that speaks TLS', () => {
  it.each<[string, RedisServerOptions]>([
    ['url: rediss://', { url: `rediss://localhost:${port}/1`, tls }],
    ['host, port and tls', { host: 'localhost', port, tls }],
  ])('reach each other by it, configured with %s', async (_, place) => {
    const [one, other] = [await start(place), await start(place)];
    const subscriber = await other.client();
    await subscriber.subscribe('a', { qos: 1 });
    await untilWanted(one, 'a');

    await publishWhole(await one.client(), 'a', { payload: 'x', qos: 1 });

    await subscriber.expectPublish('a', 'x');
  });

  it.each<[string, RedisServerOptions, RegExp]>([
    [
      'the certificate of Redis is not trusted',
      { url: `rediss://localhost:${port}` },
      /^redis.url: .* cannot be used \(.*certificate/,
    ],
    [
      'Redis does not trust ours',
      { host: 'localhost', port, tls: { ca: ca.cert } },
      /^redis.host: localhost:\d+ cannot be used/,
    ],
    ['TLS is not spoken', { host: 'localhost', port }, /^redis.host: localhost:\d+ cannot be used/],
  ])('do not start where %s', async (_, place, reason) => {
    await expect(start(place)).rejects.toMatchObject({
      code: 'REDIS_UNREACHABLE',
      message: expect.stringMatching(reason),
    });
  });
});
