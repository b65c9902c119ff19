import { describe, expect, it } from '@jest/globals';
import type { WillFields } from '../../lib/protocol/packets.js';
import { cluster, until, untilQueued, untilWanted, type ClusterNode } from '../support/cluster.js';
import { GuardedAuth } from '../support/guarded-auth.js';
import { payloadsOf, readAll, resume } from '../support/scenario.js';
import type { WireClient } from '../support/wire-client.js';

const { startShared: start } = cluster();

const will = (fields: Partial<WillFields> = {}): WillFields => ({
  topic: 'will',
  payload: Buffer.from('gone'),
  qos: 1,
  retain: false,
  ...fields,
});

const delayed = (seconds: number) => will({ properties: { willDelayInterval: seconds } });

/** Connects with a will and, unless told otherwise, a session that outlives the connection by 100 seconds. */
const mortal = (node: ClusterNode, fields: WillFields, sessionExpiryInterval = 100): Promise<WireClient> =>
  node.client(5, { clientId: 'dev', cleanStart: false, will: fields, properties: { sessionExpiryInterval } });

/** A watcher on the second of two nodes that the first one knows of. */
async function watched(): Promise<[one: ClusterNode, other: ClusterNode, watcher: WireClient]> {
  const [one, other] = [await start(), await start()];
  const watcher = await other.client();
  await watcher.subscribe('will', { qos: 1 });
  await untilWanted(one, 'will');
  return [one, other, watcher];
}

async function untilGone(node: ClusterNode): Promise<void> {
  await until(() => !node.broker.sessions.has('dev'));
}

/** Lets half a minute pass on all nodes, a second at a time: they look for what is due once a second. */
async function passHalfAMinute(nodes: readonly ClusterNode[]): Promise<void> {
  for (let second = 0; second < 30; second++) {
    for (const { clock } of nodes) clock.advance(1);
    // Whatever they have asked Redis is answered.
    await Promise.all(nodes.map(({ router }) => router.redis.link!.commands.ping()));
  }
}

describe('a will, with nodes that share sessions', () => {
  it.each([0, 100])('[MQTT-3.1.2-8] reaches subscribers on other nodes, once, of a session of %d s', async (expiry) => {
    const [one, other, watcher] = await watched();
    await (await resume(other, 'queued')).subscribe('will', { qos: 2 });
    await untilQueued(one, 'will');
    const dev = await mortal(one, will(), expiry);

    dev.drop();

    await watcher.expectPublish('will', 'gone', { qos: 1 });
    await watcher.expectNothing();
    expect(payloadsOf(await readAll(await resume(one, 'queued')))).toEqual(['gone']);
  });

  it('[MQTT-3.1.2-10] is not published when its client says goodbye', async () => {
    const [one, other, watcher] = await watched();
    const dev = await mortal(one, will());

    dev.disconnect();
    await dev.expectClosed();
    await untilGone(one);
    await passHalfAMinute([one, other]);

    await watcher.expectNothing();
  });

  it('[MQTT-3.1.3-9] waits for its delay and is not published when the client is back in time on another node', async () => {
    const [one, other, watcher] = await watched();
    (await mortal(one, delayed(10))).drop();
    await untilGone(one);
    for (const { clock } of [one, other]) clock.advance(8);
    await resume(other, 'dev');

    await passHalfAMinute([one, other]);

    await watcher.expectNothing();
  });

  it('[MQTT-3.1.3-9] is published when its delay is over', async () => {
    const [one, other, watcher] = await watched();
    (await mortal(one, delayed(40))).drop();
    await untilGone(one);

    await passHalfAMinute([one, other]);
    await watcher.expectNothing();
    await passHalfAMinute([one, other]);

    await watcher.expectPublish('will', 'gone', { qos: 1 });
    await watcher.expectNothing();
  });

  it('is published when the session ends before its delay is over', async () => {
    const [one, other, watcher] = await watched();
    (await mortal(one, delayed(1000), 10)).drop();
    await untilGone(one);

    await passHalfAMinute([one, other]);

    await watcher.expectPublish('will', 'gone', { qos: 1 });
  });

  it('is published when a clean start on another node ends the session', async () => {
    const [one, other, watcher] = await watched();
    (await mortal(one, delayed(1000))).drop();
    await untilGone(one);

    await other.client(5, { clientId: 'dev', cleanStart: true });

    await watcher.expectPublish('will', 'gone', { qos: 1 });
  });

  it.each([
    [0, 'is published'],
    [50, 'is not published, as the session goes on in time'],
  ])('with a delay of %d s %s when another node takes the client over', async (delay) => {
    const [one, other, watcher] = await watched();
    const dev = await mortal(one, delayed(delay));

    await resume(other, 'dev');
    await dev.expectDisconnect(0x8e);
    await untilGone(one);

    if (delay === 0) await watcher.expectPublish('will', 'gone', { qos: 1 });
    for (let minute = 0; minute < 2; minute++) await passHalfAMinute([one, other]);
    await watcher.expectNothing();
  });

  it('[A22] is not published to a topic that its client may not publish to when it is due', async () => {
    const [one, other] = [await start({}, { auth: new GuardedAuth() }), await start({}, { auth: new GuardedAuth() })];
    const watcher = await other.client();
    await watcher.subscribe('#', { qos: 1 });
    await untilWanted(one, 'x');
    (await mortal(one, will({ topic: 'secret/will' }))).drop();
    await untilGone(one);
    (await mortal(one, will())).drop();

    await watcher.expectPublish('will', 'gone', { qos: 1 });
    await passHalfAMinute([one, other]);
    await watcher.expectNothing();
  });
});
