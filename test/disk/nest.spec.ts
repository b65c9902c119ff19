import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { LmdbStore, MQTTdPublisher, MQTTdUsageError } from 'nestjs-mqttd';
import { apps } from '../support/nest-app.js';

describe('an application with a store on disk', () => {
  const start = apps();
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mqttd-nest-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it.each([
    ['{ path }', (path: string) => ({ path })],
    ['an LmdbStore', (path: string) => new LmdbStore({ path, durability: 'fsync' })],
    ['a factory', (path: string) => ({ useFactory: () => new LmdbStore({ path }) })],
  ])('by %s goes on where it has stopped', async (_title, storeAt) => {
    const path = join(folder, 'store');
    const session = { clientId: 'device', cleanStart: false, properties: { sessionExpiryInterval: 3600 } };
    const one = await start({ mqttd: { port: 0, store: storeAt(path) } });
    const device = await one.client(5, session);
    await device.subscribe('commands', { qos: 1 });
    device.drop();
    const publisher = one.app.get(MQTTdPublisher);
    await publisher.publish('commands', 'restart', { qos: 1 });
    await publisher.publish('state', 'on', { retain: true });
    await one.app.close();

    const other = await start({ mqttd: { port: 0, store: storeAt(path) } });
    const again = await other.open(5);
    expect(await again.connect(session)).toMatchObject({ sessionPresent: true });
    await again.expectPublish('commands', 'restart');
    await again.subscribe('state');
    await again.expectPublish('state', 'on', { retain: true });
    await other.logged.find((line) => line.includes(`store opened path=${path} sessions=1 messages=1 retained=1`));
  });

  it.each<[object, string, string]>([
    [{ store: { path: '' } }, 'INVALID_OPTION', 'store.path: ""; use the path of a folder'],
    [
      { store: { path: 'x', durability: 'perhaps' } },
      'INVALID_OPTION',
      `store.durability: "perhaps"; use 'commit' or 'fsync'`,
    ],
    [
      { store: { path: 'x', sync: true } },
      'INVALID_OPTION',
      'store.sync: there is no such option; the options are path, durability',
    ],
    [
      { store: { path: 'x' }, redis: {} },
      'INVALID_OPTION',
      'store: what one node keeps in a file cannot stand beside redis',
    ],
    [{ store: { path: '/dev/null/store' } }, 'STORE_UNUSABLE', "store.path: '/dev/null/store' cannot be made"],
  ])('does not start with %j', async (mqttd, code, message) => {
    const error: unknown = await start({ mqttd: { port: 0, ...mqttd } }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(MQTTdUsageError);
    expect(error).toMatchObject({ code, message: expect.stringContaining(message) });
  });

  it('does not start twice on one folder', async () => {
    const store = { path: join(folder, 'store') };
    await start({ mqttd: { port: 0, store } });
    await expect(start({ mqttd: { port: 0, store } })).rejects.toMatchObject({ code: 'STORE_UNUSABLE' });
  });
});
