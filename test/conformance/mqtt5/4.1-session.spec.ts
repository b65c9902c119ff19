import { expect, it } from '@jest/globals';
import { PacketType } from '../../../lib/protocol/packets.js';
import type { Properties } from '../../../lib/protocol/properties.js';
import { breakOff } from '../../support/connection-steps.js';
import { publishKept, readAll, resume } from '../../support/scenario.js';
import { describeOverTransports, type TestBroker } from '../../support/test-broker.js';

/** Whether the broker still has the session of `dev`; it has one afterwards. */
async function hasSession(broker: TestBroker): Promise<boolean> {
  const client = await broker.open();
  const { sessionPresent } = await client.connect({ clientId: 'dev', cleanStart: false });
  return sessionPresent;
}

const connect = (broker: TestBroker, properties: Properties = {}) =>
  broker.client(5, { clientId: 'dev', cleanStart: false, properties });

describeOverTransports('3.1.2.4 Clean Start', (start) => {
  it('[MQTT-3.1.2-4] at 1 throws the session away and begins a new one', async () => {
    const broker = await start();
    const first = await resume(broker, 'dev');
    await first.subscribe('t', { qos: 1 });
    await breakOff(first);
    await publishKept(await broker.client(), 't', { payload: 'for the old session' });

    const second = await broker.open();
    const connack = await second.connect({ clientId: 'dev', cleanStart: true });
    second.publish('t');

    expect(connack.sessionPresent).toBe(false);
    await second.expectNothing();
  });

  it('[MQTT-3.1.2-4] at 1 begins a session that lasts as its own CONNECT says', async () => {
    const broker = await start();
    await breakOff(await resume(broker, 'dev'));

    const properties = { sessionExpiryInterval: 100 };
    await breakOff(await broker.client(5, { clientId: 'dev', cleanStart: true, properties }));

    expect(await hasSession(broker)).toBe(true);
  });

  it('[MQTT-3.1.2-4] at 1 throws away the session of a connection that it takes over', async () => {
    const broker = await start();
    const first = await resume(broker, 'dev');
    await first.subscribe('t');

    const second = await broker.open();
    const connack = await second.connect({ clientId: 'dev', cleanStart: true });
    second.publish('t');

    expect(connack.sessionPresent).toBe(false);
    await second.expectNothing();
  });

  it('[MQTT-3.1.2-5] at 0 resumes the session that there is', async () => {
    const broker = await start();
    const first = await resume(broker, 'dev');
    await first.subscribe('t');
    await breakOff(first);

    const second = await broker.open();
    const connack = await second.connect({ clientId: 'dev', cleanStart: false });
    second.publish('t', { payload: 'x' });

    expect(connack.sessionPresent).toBe(true);
    await second.expectPublish('t', 'x');
  });

  it('[MQTT-3.1.2-6] at 0 begins a session when there is none', async () => {
    const broker = await start();

    const client = await broker.open();
    const connack = await client.connect({ clientId: 'dev', cleanStart: false });
    await client.subscribe('t');
    client.publish('t', { payload: 'x' });

    expect(connack.sessionPresent).toBe(false);
    await client.expectPublish('t', 'x');
  });
});

describeOverTransports('4.1 Session State', (start) => {
  it('[MQTT-3.1.2-23] outlives the connection: subscriptions and messages that wait', async () => {
    const broker = await start();
    const first = await resume(broker, 'dev');
    await first.subscribe([{ filter: 'one', qos: 1 }, 'two']);
    await breakOff(first);
    const publisher = await broker.client();
    await publishKept(publisher, 'one', { payload: 'waits' });

    const second = await resume(broker, 'dev');
    await second.expectPublish('one', 'waits', { qos: 1, dup: false });
    publisher.publish('two', { payload: 'goes on' });

    await second.expectPublish('two', 'goes on');
  });

  it('[MQTT-3.1.2-23] outlives the connection: messages that were not acknowledged', async () => {
    const broker = await start();
    const first = await resume(broker, 'dev');
    await first.subscribe('t', { qos: 2 });
    const publisher = await broker.client();
    await publishKept(publisher, 't', { payload: '1' });
    publisher.publish('t', { qos: 2, payload: '2' });
    const { packetId } = await first.expectPublish('t', '1');
    const released = await first.expectPublish('t', '2');
    first.acknowledge(PacketType.PUBREC, released.packetId);
    await first.expect({ type: PacketType.PUBREL, packetId: released.packetId });
    await breakOff(first);

    const second = await resume(broker, 'dev');

    const [release, ...publishes] = (await readAll(second)).sort((one, other) => other.type - one.type);
    expect(release).toMatchObject({ type: PacketType.PUBREL, packetId: released.packetId });
    expect(publishes.map(({ type }) => type)).toEqual([PacketType.PUBLISH]);
    expect(publishes[0]).toMatchObject({ topic: 't', packetId, dup: true });
  });

  it('[MQTT-3.1.2-23] outlives the connection: QoS 2 messages that the client has not released', async () => {
    const broker = await start();
    const watcher = await broker.client();
    await watcher.subscribe('t');
    const first = await resume(broker, 'dev');
    first.publish('t', { qos: 2, packetId: 7, payload: 'once' });
    await first.expect({ type: PacketType.PUBREC, packetId: 7 });
    await watcher.expectPublish('t', 'once');
    await breakOff(first);

    const second = await resume(broker, 'dev');
    second.publish('t', { qos: 2, packetId: 7, dup: true, payload: 'once' });

    await second.expect({ type: PacketType.PUBREC, packetId: 7 });
    await watcher.expectNothing();
  });

  it.each([
    ['without an expiry', {}],
    ['with an expiry of 0', { sessionExpiryInterval: 0 }],
    ['with an expiry of 10', { sessionExpiryInterval: 10 }],
  ])('[MQTT-4.1.0-1] is kept while the connection is open, %s', async (_, properties) => {
    const broker = await start();
    const client = await connect(broker, properties);
    await client.subscribe('t');

    broker.clock.advance(1000);
    client.publish('t', { payload: 'x' });

    await client.expectPublish('t', 'x');
  });

  it('[MQTT-4.1.0-1] is kept by a takeover after its expiry', async () => {
    const broker = await start();
    await connect(broker, { sessionExpiryInterval: 10 });

    broker.clock.advance(1000);

    expect(await hasSession(broker)).toBe(true);
  });

  it.each([
    ['is absent', {}],
    ['is 0', { sessionExpiryInterval: 0 }],
  ])('[MQTT-4.1.0-2] ends with the connection when the expiry %s', async (_, properties) => {
    const broker = await start();
    await breakOff(await connect(broker, properties));

    expect(await hasSession(broker)).toBe(false);
  });

  it.each([
    [9, true],
    [11, false],
  ])('[MQTT-4.1.0-2] with an expiry of 10 is, %i seconds after the connection, there: %s', async (seconds, isThere) => {
    const broker = await start();
    await breakOff(await connect(broker, { sessionExpiryInterval: 10 }));

    broker.clock.advance(seconds);

    expect(await hasSession(broker)).toBe(isThere);
  });

  it('[MQTT-4.1.0-2] is gone with its subscriptions and its messages', async () => {
    const broker = await start();
    const first = await connect(broker, { sessionExpiryInterval: 10 });
    await first.subscribe('t', { qos: 1 });
    await breakOff(first);
    const publisher = await broker.client();
    await publishKept(publisher, 't', { payload: 'too late' });

    broker.clock.advance(11);
    publisher.publish('t', { qos: 1 });

    // 0x10: no matching subscribers.
    await publisher.expect({ type: PacketType.PUBACK, reasonCode: 0x10 });
    await (await connect(broker)).expectNothing();
  });

  it('[MQTT-4.1.0-2] counts its expiry from the end of its last connection', async () => {
    const broker = await start();
    for (let connection = 0; connection < 3; connection++) {
      await breakOff(await connect(broker, { sessionExpiryInterval: 10 }));
      broker.clock.advance(8);
    }

    expect(await hasSession(broker)).toBe(true);
  });

  it('[MQTT-4.1.0-2] goes by the expiry of its last CONNECT', async () => {
    const broker = await start();
    await breakOff(await connect(broker, { sessionExpiryInterval: 1000 }));
    await breakOff(await connect(broker, { sessionExpiryInterval: 10 }));

    broker.clock.advance(11);

    expect(await hasSession(broker)).toBe(false);
  });

  it('[MQTT-4.1.0-2] never expires at 0xFFFFFFFF', async () => {
    const broker = await start();
    await breakOff(await connect(broker, { sessionExpiryInterval: 0xffff_ffff }));

    broker.clock.advance(200_000);

    expect(await hasSession(broker)).toBe(true);
  });

  it('[MQTT-4.1.0-2] goes by the expiry that the broker sets instead, and tells', async () => {
    const broker = await start({ limits: { maximumSessionExpiry: 60 } });
    const client = await broker.open();
    const asked = { clientId: 'dev', properties: { sessionExpiryInterval: 1000 } };

    const { properties } = await client.connect(asked);
    await breakOff(client);
    broker.clock.advance(61);

    expect(properties?.sessionExpiryInterval).toBe(60);
    expect(await hasSession(broker)).toBe(false);
  });
});
