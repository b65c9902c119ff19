import { expect, it } from '@jest/globals';
import { PacketType } from '../../../lib/protocol/packets.js';
import { breakOff, connectBytes, expectConnectRefused } from '../../support/connection-steps.js';
import { resume } from '../../support/scenario.js';
import { RecordingAuth, VerdictAuth } from '../../support/test-auths.js';
import { describeOverTransports } from '../../support/test-broker.js';

describeOverTransports('3.1.3 CONNECT Payload', (start) => {
  it('[MQTT-3.1.3-1] reads identifier, will properties, will topic, will payload, user name, password', async () => {
    const auth = new RecordingAuth();
    const broker = await start({ auth });
    const watcher = await broker.client();
    await watcher.subscribe('last');
    const client = await broker.open();

    const payload = "0003'dev' 05{03 0002'ct'} 0004'last' 0004'will' 0003'ann' 0002[00ff]";
    client.send(connectBytes({ flags: 'c6', payload }));
    await client.expect({ type: PacketType.CONNACK, reasonCode: 0 });
    client.drop();

    await watcher.expectPublish('last', 'will', { properties: { contentType: 'ct' } });
    expect(auth.logins.at(-1)).toMatchObject({
      clientId: 'dev',
      username: 'ann',
      password: Buffer.from([0x00, 0xff]),
    });
  });

  it('[MQTT-3.1.3-2] keeps a session for each client identifier', async () => {
    const broker = await start();
    for (const clientId of ['one', 'two']) {
      const client = await resume(broker, clientId);
      await client.subscribe(`for/${clientId}`, { qos: 1 });
      await breakOff(client);
    }
    const publisher = await broker.client();
    publisher.publish('for/one', { qos: 1, payload: '1' });
    publisher.publish('for/two', { qos: 1, payload: '2' });
    await publisher.settled();

    const two = await resume(broker, 'two');
    const one = await resume(broker, 'one');

    await one.expectPublish('for/one', '1');
    await one.expectNothing();
    await two.expectPublish('for/two', '2');
    await two.expectNothing();
  });

  it('[MQTT-3.1.3-3] refuses a CONNECT without a client identifier', async () => {
    const client = await (await start()).open();

    client.send(connectBytes({ payload: '' }));

    await expectConnectRefused(client, 0x81);
  });

  it('[MQTT-3.1.3-4] refuses a client identifier that is not UTF-8', async () => {
    const client = await (await start()).open();

    client.send(connectBytes({ payload: '0002[c328]' }));

    await expectConnectRefused(client, 0x81);
  });

  it.each(['0', 'z', 'ABCDEFGHIJKLMNOPQRSTUVW', 'abcdefghijklmnopqrstuvw', 'XYZxyz0123456789'])(
    '[MQTT-3.1.3-5] accepts the client identifier %s',
    async (clientId) => {
      const client = await (await start()).open();

      const { reasonCode, properties } = await client.connect({ clientId });

      expect(reasonCode).toBe(0);
      expect(properties?.assignedClientIdentifier).toBeUndefined();
    },
  );

  it('[MQTT-3.1.3-6] gives each client that has no identifier one of its own', async () => {
    const broker = await start();
    const [one, two] = [await broker.open(), await broker.open()];

    const first = await one.connect({ clientId: '' });
    const second = await two.connect({ clientId: '' });

    const [assigned, other] = [first, second].map(({ properties }) => properties?.assignedClientIdentifier);
    expect(assigned).toMatch(/./);
    expect(other).toMatch(/./);
    expect(assigned).not.toBe(other);
    await one.expectNothing();
  });

  it('[MQTT-3.1.3-7] treats the identifier that it assigned as if the client had sent it', async () => {
    const broker = await start();
    const client = await broker.open();
    const { properties } = await client.connect({ clientId: '', properties: { sessionExpiryInterval: 100 } });
    await client.subscribe('t', { qos: 1 });

    const heir = await broker.open();
    const connack = await heir.connect({ clientId: properties!.assignedClientIdentifier!, cleanStart: false });

    expect(connack.sessionPresent).toBe(true);
    await client.expectDisconnect(0x8e);
    heir.publish('t', { payload: 'x' });
    await heir.expectPublish('t', 'x');
  });

  it('[MQTT-3.1.3-8] refuses an identifier that it does not allow with 0x85', async () => {
    const client = await (await start({ auth: new VerdictAuth('admin', 0x85) })).open();

    client.sendConnect({ clientId: 'admin' });

    await expectConnectRefused(client, 0x85);
  });

  it('[MQTT-3.1.3-12] refuses a user name that is not UTF-8', async () => {
    const client = await (await start()).open();

    client.send(connectBytes({ flags: '82', payload: "0003'dev' 0002[c328]" }));

    await expectConnectRefused(client, 0x81);
  });
});
