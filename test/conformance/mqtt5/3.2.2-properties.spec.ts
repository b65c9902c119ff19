import { expect, it } from '@jest/globals';
import { PacketType } from '../../../lib/protocol/packets.js';
import { collectBytes, expectConnectRefused } from '../../support/connection-steps.js';
import { VerdictAuth } from '../../support/test-auths.js';
import { describeOverTransports } from '../../support/test-broker.js';
import { will } from '../../support/will-steps.js';

describeOverTransports('3.2.2.3.4 Maximum QoS', (start) => {
  it.each([0, 1] as const)('[MQTT-3.2.2-9] is announced when it is %i', async (maximumQoS) => {
    const client = await (await start({ capabilities: { maximumQoS } })).open();

    expect((await client.connect()).properties?.maximumQoS).toBe(maximumQoS);
  });

  it('[MQTT-3.2.2-9] is not announced when it is 2', async () => {
    const client = await (await start()).open();

    expect((await client.connect()).properties?.maximumQoS).toBeUndefined();
  });

  it.each([
    [0, 1],
    [0, 2],
    [1, 2],
  ] as const)('[MQTT-3.2.2-10] is %i and a subscription at QoS %i is accepted', async (maximumQoS, qos) => {
    const broker = await start({ capabilities: { maximumQoS } });
    const client = await broker.client();

    const { reasonCodes } = await client.subscribe('t', { qos });
    client.publish('t', { payload: 'x' });

    expect(reasonCodes[0]).toBeLessThanOrEqual(2);
    await client.expectPublish('t', 'x', { qos: 0 });
  });

  it.each([
    [0, 1],
    [0, 2],
    [1, 2],
  ] as const)('[MQTT-3.2.2-11] is %i and a PUBLISH at QoS %i ends the connection', async (maximumQoS, qos) => {
    const client = await (await start({ capabilities: { maximumQoS } })).client();

    client.publish('t', { qos });

    await client.expectDisconnect(0x9b);
  });

  it('[MQTT-3.2.2-11] is 1 and a PUBLISH at QoS 1 is taken', async () => {
    const client = await (await start({ capabilities: { maximumQoS: 1 } })).client();

    client.publish('t', { qos: 1 });

    await client.expect({ type: PacketType.PUBACK });
  });

  it.each([
    [0, 1],
    [1, 2],
  ] as const)('[MQTT-3.2.2-12] is %i and a will of QoS %i is refused', async (maximumQoS, qos) => {
    const client = await (await start({ capabilities: { maximumQoS } })).open();

    client.sendConnect({ will: will({ qos }) });

    await expectConnectRefused(client, 0x9b);
  });
});

describeOverTransports('3.2.2.3.5 Retain Available', (start) => {
  const capabilities = { retainAvailable: false };

  it('[MQTT-3.2.2-13] is 0 and a will that is to be retained is refused', async () => {
    const client = await (await start({ capabilities })).open();

    client.sendConnect({ will: will({ retain: true }) });

    await expectConnectRefused(client, 0x9a);
  });

  it('[MQTT-3.2.2-14] is 0 and a PUBLISH with RETAIN ends the connection', async () => {
    const broker = await start({ capabilities });
    const client = await broker.open();

    const { properties } = await client.connect();
    client.publish('t', { retain: true, payload: 'x' });

    expect(properties?.retainAvailable).toBe(false);
    await client.expectDisconnect(0x9a);
  });
});

describeOverTransports('3.2.2.3.6 Maximum Packet Size', (start) => {
  it('[MQTT-3.2.2-15] is announced, and a packet of that size is taken', async () => {
    const client = await (await start({ limits: { maximumPacketSize: 50 } })).open();

    const { properties } = await client.connect();
    client.publish('t', { payload: 'x'.repeat(44) });

    expect(properties?.maximumPacketSize).toBe(50);
    await client.expectNothing();
  });

  it('[MQTT-3.2.2-15] ends the connection at the header of a packet that is larger', async () => {
    const client = await (await start({ limits: { maximumPacketSize: 50 } })).client();

    client.send('30 31');

    await client.expectDisconnect(0x95);
  });

  it('[MQTT-3.1.2-24] closes when the CONNACK is larger than the client takes', async () => {
    const client = await (await start()).open();

    client.sendConnect({ clientId: '', properties: { maximumPacketSize: 20 } });

    await client.expectClosed();
  });
});

describeOverTransports('3.2.2.3 other properties of CONNACK', (start) => {
  it('[MQTT-3.2.2-16] assigns an identifier that no session has', async () => {
    const broker = await start();
    const assigned = new Set<string | undefined>();

    for (let count = 0; count < 10; count++) {
      const { sessionPresent, properties } = await (
        await broker.open()
      ).connect({
        properties: { sessionExpiryInterval: 100 },
      });
      expect(sessionPresent).toBe(false);
      assigned.add(properties?.assignedClientIdentifier);
    }

    expect(assigned.size).toBe(10);
    expect(assigned).not.toContain(undefined);
  });

  it('[MQTT-3.2.2-17] announces Topic Alias Maximum and refuses an alias above it', async () => {
    const client = await (await start({ limits: { topicAliasMaximum: 2 } })).open();

    const { properties } = await client.connect();
    client.publish('t', { properties: { topicAlias: 2 } });
    await client.expectNothing();
    client.publish('t', { properties: { topicAlias: 3 } });

    expect(properties?.topicAliasMaximum).toBe(2);
    await client.expectDisconnect(0x94);
  });

  it('[MQTT-3.2.2-18] announces no Topic Alias Maximum of 0 and refuses every alias', async () => {
    const client = await (await start({ limits: { topicAliasMaximum: 0 } })).open();

    const { properties } = await client.connect();
    client.publish('t', { properties: { topicAlias: 1 } });

    expect(properties?.topicAliasMaximum ?? 0).toBe(0);
    await client.expectDisconnect(0x94);
  });

  it('[MQTT-3.2.2-19] [MQTT-3.2.2-20] leaves out what would make CONNACK too large', async () => {
    const client = await (await start({ auth: new VerdictAuth('dev', 0x87) })).open();
    const received = collectBytes(client);

    const { properties } = await client.connect({ clientId: 'dev', properties: { maximumPacketSize: 10 } });

    expect(received().length).toBeLessThanOrEqual(10);
    expect(properties?.reasonString).toBeUndefined();
    expect(properties?.userProperties).toBeUndefined();
    await client.expectClosed();
  });

  it('[MQTT-3.2.2-21] announces Server Keep Alive and goes by it', async () => {
    const broker = await start({ limits: { maximumKeepAlive: 10 } });
    const client = await broker.open();

    const { properties } = await client.connect({ keepAlive: 100 });
    broker.clock.advance(16);

    expect(properties?.serverKeepAlive).toBe(10);
    await client.expectDisconnect(0x8d);
  });

  it('[MQTT-3.2.2-21] announces Server Keep Alive to a client that wants none', async () => {
    const client = await (await start({ limits: { maximumKeepAlive: 10 } })).open();

    expect((await client.connect({ keepAlive: 0 })).properties?.serverKeepAlive).toBe(10);
  });

  it('[MQTT-3.2.2-22] goes by the keep-alive of the client when it announces none', async () => {
    const broker = await start({ limits: { maximumKeepAlive: 100 } });
    const client = await broker.open();

    const { properties } = await client.connect({ keepAlive: 10 });
    broker.clock.advance(14);
    await client.expectNothing();
    broker.clock.advance(16);

    expect(properties?.serverKeepAlive).toBeUndefined();
    await client.expectDisconnect(0x8d);
  });
});
