import { beforeEach, describe, expect, it } from '@jest/globals';
import { Controller } from '@nestjs/common';
import {
  Auth,
  ConnectedClient,
  CredentialsAuth,
  MemoryStore,
  MQTTdMetrics,
  MQTTdPublisher,
  OnPublish,
  OnRequest,
  Topic,
  type Login,
  type MQTTdClient,
  type MQTTdListenerOptions,
  type MQTTdOptions,
} from 'nestjs-mqttd';
import { PacketType, type PublishPacket } from '../../lib/protocol/packets.js';
import { Inbox } from '../support/inbox.js';
import { accepted, apps, openClient, portOf } from '../support/nest-app.js';
import type { ConnectOptions } from '../support/wire-client.js';

const host = '127.0.0.1';
const { PUBACK } = PacketType;

let heard: Inbox<string>;
beforeEach(() => {
  heard = new Inbox();
});

@Controller()
class Everything {
  @OnPublish('#')
  hear(@Topic() topic: string, @ConnectedClient() client: MQTTdClient | undefined): void {
    heard.push(`${topic} by ${client?.listener}`);
  }

  @OnRequest('tenants/+/ask')
  answer(): string {
    return 'an answer';
  }
}

describe('several listeners', () => {
  const start = apps();

  const startWith = async (listeners: readonly MQTTdListenerOptions[], options: MQTTdOptions = {}) => {
    const started = await start({ controllers: [Everything], mqttd: { listeners, ...options } });
    const clientAt = async (index: number, version: 4 | 5 = 5, login: ConnectOptions = {}) =>
      accepted(await openClient(portOf(started.app, index), version), login);
    const toldAt = async (index: number, login: ConnectOptions) =>
      (await (await openClient(portOf(started.app, index))).connect(login)).reasonCode;
    return { ...started, clientAt, toldAt };
  };

  const at = (entrance: object = {}): MQTTdListenerOptions => ({ tcp: { port: 0, host }, ...entrance });

  it('have an Auth of their own each, beside that of the broker', async () => {
    class OnlyMeters extends Auth {
      override authenticate({ clientId }: Login): boolean {
        return clientId.startsWith('meter');
      }

      override mayPublish(_client: MQTTdClient, topic: string): boolean {
        return topic === 'readings';
      }
    }
    const { toldAt, clientAt } = await startWith(
      [
        at(),
        at({ auth: new OnlyMeters() }),
        at({ auth: { users: { bob: { password: 'b' } } } }),
        at({ allowAnonymous: true }),
      ],
      { auth: { users: { ann: { password: 'a' } } } },
    );
    const ann = { username: 'ann', password: Buffer.from('a') };
    const bob = { username: 'bob', password: Buffer.from('b') };

    const told: number[][] = [];
    for (const index of [0, 1, 2, 3])
      told.push([await toldAt(index, ann), await toldAt(index, bob), await toldAt(index, { clientId: 'meter-7' })]);
    expect(told).toEqual([
      [0, 0x86, 0x86],
      [0x86, 0x86, 0],
      [0x86, 0, 0x86],
      [0, 0, 0],
    ]);

    const meter = await clientAt(1, 5, { clientId: 'meter-8' });
    for (const [topic, reasonCode] of [
      ['readings', 0],
      ['other', 0x87],
    ] as const) {
      const packetId = meter.publish(topic, { qos: 1 });
      const puback = await meter.expect({ type: PUBACK, packetId });
      expect((puback as { reasonCode: number }).reasonCode & 0x80).toBe(reasonCode & 0x80);
    }
  });

  it('that say no more than that not everybody may come in leave that to the broker', async () => {
    const { toldAt } = await startWith([at({ allowAnonymous: false })], {
      auth: { users: { ann: { password: 'a' } } },
    });
    expect(await toldAt(0, { username: 'ann', password: Buffer.from('a') })).toBe(0);
    expect(await toldAt(0, {})).toBe(0x86);
  });

  it('revoke only whom their own Auth has let in, and ask it about wills', async () => {
    const own = new CredentialsAuth({ ann: { password: 'a', publish: [] } });
    const { clientAt } = await startWith([at(), at({ auth: own, name: 'inner' })], {
      auth: { users: { ann: { password: 'a' } } },
    });
    const login = { username: 'ann', password: Buffer.from('a') };
    const will = (topic: string) => ({ topic, payload: Buffer.from('x'), qos: 0, retain: false }) as const;
    const outer = await clientAt(0, 5, { ...login, will: will('outer') });
    const inner = await clientAt(1, 5, { ...login, will: will('inner') });
    const witness = await clientAt(0, 5, login);
    await witness.subscribe(['outer', 'inner']);

    own.delete('ann');
    await inner.expectDisconnect(0x87);
    await outer.expectNothing();
    outer.drop();

    // Its own Auth lets nobody publish.
    await witness.expectPublish('outer', 'x');
    await witness.expectNothing();
  });

  it('have bounds of their own', async () => {
    const { clientAt } = await startWith([at({ limits: { maximumPacketSize: 100, maximumKeepAlive: 20 } }), at()]);
    const [bounded, large] = [await clientAt(0), await clientAt(1)];
    for (const client of [bounded, large]) client.publish('a', { payload: 'x'.repeat(200), qos: 1 });

    await bounded.expectDisconnect(0x95);
    await large.expect({ type: PUBACK });
  });

  it('are named in the log, to handlers, and in the metrics', async () => {
    const { app, clientAt, logged } = await startWith([at({ name: 'devices' }), at()]);
    const device = await clientAt(0);
    await clientAt(0);
    device.publish('a');

    expect(await heard.next()).toBe('a by devices');
    await logged.find((line) => line === `log [MQTTd] listening on mqtt://${host}:${portOf(app, 0)} as "devices"`);
    const text = app.get(MQTTdMetrics).text();
    for (const line of [
      'mqttd_listener_connections{listener="devices"} 2',
      'mqttd_listener_connections_opened_total{listener="devices"} 2',
      `mqttd_listener_connections{listener="mqtt://${host}:${portOf(app, 1)}"} 0`,
    ])
      expect(text.split('\n')).toContain(line);
  });

  describe('with a mount point', () => {
    const tenants = () => startWith([at({ mountPoint: 'tenants/a/' }), at({ mountPoint: 'tenants/b/' }), at()]);

    it.each([5, 4] as const)('are worlds of their own to their clients, version %d', async (version) => {
      const { clientAt, app } = await tenants();
      const [a, b, all] = [await clientAt(0, version), await clientAt(1, version), await clientAt(2, version)];
      for (const client of [a, b, all]) await client.subscribe('#', { qos: 1 });

      a.publish('x/y', { payload: 'of a', qos: 1 });
      await a.expectPublish('x/y', 'of a');
      await a.expect({ type: PUBACK });
      await app.get(MQTTdPublisher).publish('tenants/b/z', 'for b');
      await app.get(MQTTdPublisher).publish('x/y', 'for nobody');

      await a.expectNothing();
      await b.expectPublish('z', 'for b');
      await b.expectNothing();
      await all.expectPublish('tenants/a/x/y', 'of a');
      await all.expectPublish('tenants/b/z', 'for b');
      await all.expectPublish('x/y', 'for nobody');
      expect(await heard.next()).toMatch(/^tenants\/a\/x\/y by mqtt:/);
    });

    it('keep retained messages, groups, wills and unsubscriptions apart too', async () => {
      const { clientAt } = await tenants();
      const will = { topic: 'gone', payload: Buffer.from('will'), qos: 0, retain: false } as const;
      const [a, b] = [await clientAt(0, 5, { will }), await clientAt(1)];
      a.publish('kept', { payload: 'of a', retain: true, qos: 1 });
      await a.expect({ type: PUBACK });
      const [a2, b2] = [await clientAt(0), await clientAt(1)];
      for (const client of [a2, b2]) await client.subscribe(['kept', '$share/g/jobs', 'gone']);
      await a2.expectPublish('kept', 'of a', { retain: true });

      for (const payload of ['1', '2']) a.publish('jobs', { payload });
      b.publish('jobs', { payload: '3' });
      for (const payload of ['1', '2']) await a2.expectPublish('jobs', payload);
      await b2.expectPublish('jobs', '3');
      a2.send({ type: 10, packetId: 9, filters: ['$share/g/jobs', 'never'] });
      await a2.expect({ type: 11, reasonCodes: [0, 0x11] });
      a.drop();
      await a2.expectPublish('gone', 'will');
      await b2.expectNothing();
    });

    it('carry the Response Topic along: requests work within, and to handlers', async () => {
      const { clientAt } = await tenants();
      const [asking, answering] = [await clientAt(0), await clientAt(0)];
      await asking.subscribe('replies/1');
      await answering.subscribe('ask/me');

      asking.publish('ask/me', { properties: { responseTopic: 'replies/1' } });
      const { properties } = (await answering.next()) as PublishPacket;
      answering.publish(properties!.responseTopic!, { payload: 'within' });
      await asking.expectPublish('replies/1', 'within');
      asking.publish('ask', { properties: { responseTopic: 'replies/1' } });
      await asking.expectPublish('replies/1', 'an answer');
    });

    it('carry the Response Topic of a will along', async () => {
      const { clientAt } = await tenants();
      const properties = { responseTopic: 'replies/1' };
      const will = { topic: 'gone', payload: Buffer.from('will'), qos: 0, retain: false, properties } as const;
      const [dying, within, outside] = [await clientAt(0, 5, { will }), await clientAt(0), await clientAt(2)];
      for (const client of [within, outside]) await client.subscribe('#');

      dying.drop();

      await within.expectPublish('gone', 'will', { properties });
      await outside.expectPublish('tenants/a/gone', 'will', { properties: { responseTopic: 'tenants/a/replies/1' } });
    });

    it('use topic aliases in both directions', async () => {
      const { clientAt } = await tenants();
      const subscriber = await clientAt(0, 5, { properties: { topicAliasMaximum: 5 } });
      await subscriber.subscribe('meters/7');
      const publisher = await clientAt(0);
      publisher.publish('meters/7', { payload: '1', properties: { topicAlias: 1 } });
      publisher.publish('', { payload: '2', properties: { topicAlias: 1 } });

      await subscriber.expectPublish('meters/7', '1', { properties: { topicAlias: 1 } });
      await subscriber.expectPublish('', '2', { properties: { topicAlias: 1 } });
    });

    it('take no topic that would be too long behind it', async () => {
      const { clientAt } = await tenants();
      const [publisher, subscriber] = [await clientAt(0), await clientAt(0)];
      publisher.publish('x'.repeat(65_530));
      await publisher.expectDisconnect(0x90);
      subscriber.send({
        type: 8,
        packetId: 1,
        subscriptions: [
          { filter: 'x'.repeat(65_530), qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 },
        ],
      });
      await subscriber.expectDisconnect(0x8f);
    });

    it('take no Response Topic that would be too long behind it: who is outside could not be sent it', async () => {
      const { clientAt } = await tenants();
      const [publisher, outside] = [await clientAt(0), await clientAt(2)];
      const properties = { responseTopic: 'x'.repeat(65_530) };

      publisher.publish('a', { payload: 'x', retain: true, qos: 1, properties });

      await publisher.expectDisconnect(0x90);
      await outside.subscribe('#');
      await outside.expectNothing();
    });

    it.each([
      ['topic', { topic: 'x'.repeat(65_530) }],
      ['Response Topic', { topic: 'a', properties: { responseTopic: 'x'.repeat(65_530) } }],
    ])('take no will with a %s that would be too long behind it', async (_what, fields) => {
      const { toldAt } = await tenants();
      const will = { payload: Buffer.from('will'), qos: 0, retain: false, ...fields } as const;

      expect(await toldAt(2, { will })).toBe(0);
      expect(await toldAt(0, { will })).toBe(0x90);
    });
  });

  it.each<[object, string]>([
    [{ mountPoint: 'a' }, `listeners[0].mountPoint: "a"; use the begin of a topic, as 'tenants/a/'`],
    [{ mountPoint: '+/' }, 'listeners[0].mountPoint: "+/"'],
    [{ mountPoint: '$SYS/' }, 'listeners[0].mountPoint: "$SYS/"'],
    [{ name: '' }, 'listeners[0].name: ""; use a text'],
    [{ limits: { none: 1 } }, 'listeners[0].limits.none: there is no such limit'],
    [
      { limits: { maximumKeepAlive: -1 } },
      'listeners[0].limits.maximumKeepAlive: -1; use a whole number from 0 to 65535',
    ],
    [{ auth: { users: {} } }, 'listeners[0].auth.users: is empty'],
    [{ auth: { users: { a: 'x' } } }, 'listeners[0].auth.users["a"] is neither a hash'],
    [{ auth: new MemoryStore() }, 'listeners[0].auth: cannot be used'],
    [
      { auth: { users: { a: { password: 'x' } } }, allowAnonymous: true },
      'listeners[0].allowAnonymous: true would make auth',
    ],
    [{ mount: 'x' }, 'listeners[0].mount: there is no such option beside tcp; the options are name, auth,'],
  ])('that cannot be as they are asked for are an error at start-up: %j', async (entrance, message) => {
    await expect(startWith([at(entrance)])).rejects.toThrow(message);
  });

  it('are open to the network only where somebody decides who comes in', async () => {
    const open = { tcp: { port: 0, host: '0.0.0.0' } };
    await expect(startWith([{ ...open, auth: { users: { a: { password: 'x' } } } }, open])).rejects.toThrow(
      /listeners\[1\]\.tcp\.host: '0\.0\.0\.0' would let everybody/,
    );
    await startWith([{ ...open, allowAnonymous: true }]);
  });
});
