import { expect, it } from '@jest/globals';
import { PacketType, type Packet } from '../../../lib/protocol/packets.js';
import type { Properties } from '../../../lib/protocol/properties.js';
import { publishWhole } from '../../support/exchanges.js';
import { GuardedAuth } from '../../support/guarded-auth.js';
import { describeOverTransports } from '../../support/test-broker.js';
import type { WireClient } from '../../support/wire-client.js';

describeOverTransports('3.9 SUBACK', (start) => {
  it('[MQTT-3.9.2-1] [MQTT-3.9.2-2] has no Reason String and no User Property that do not fit', async () => {
    const broker = await start({ auth: new GuardedAuth() });
    const client = await broker.client(5, { clientId: 'small', properties: { maximumPacketSize: 30 } });
    const filters = Array.from({ length: 25 }, (_, index) => `secret/${index}`);

    const suback = await client.subscribe(filters);

    // 5 bytes and 25 reason codes are all that 30 bytes hold.
    expect(suback).toMatchObject({ packetId: 1, reasonCodes: filters.map(() => 0x87), properties: undefined });
  });

  it('[MQTT-3.9.3-1] has its reason codes in the order of the filters', async () => {
    const client = await (await start({ auth: new GuardedAuth() })).client();

    await client
      .send({
        type: PacketType.SUBSCRIBE,
        packetId: 258,
        subscriptions: [
          { filter: 'two', qos: 2, ...plain },
          { filter: 'secret', qos: 2, ...plain },
          { filter: 'none', qos: 0, ...plain },
          { filter: 'secret/one', qos: 1, ...plain },
          { filter: 'one', qos: 1, ...plain },
        ],
      })
      .expectHex('90 08 0102 00 02 87 00 87 01');
  });

  it('[MQTT-3.9.3-2] answers 0x87 to a filter that is not allowed', async () => {
    const client = await (await start({ auth: new GuardedAuth() })).client();

    const { reasonCodes } = await client.subscribe('secret');

    expect(reasonCodes).toEqual([0x87]);
  });

  it('[MQTT-3.9.3-2] answers 0x97 to one subscription too many, but not to a replaced one', async () => {
    const client = await (await start({ limits: { maximumSubscriptions: 2 } })).client();

    const { reasonCodes } = await client.subscribe(['a', 'b', 'c', 'a']);

    expect(reasonCodes).toEqual([0, 0, 0x97, 0]);
  });

  it('[MQTT-3.9.3-2] says 0xA2 to a wildcard where the server supports none', async () => {
    const broker = await start({ capabilities: { wildcardSubscriptionAvailable: false } });

    for (const filter of ['a/+', '#']) {
      const client = await broker.client();
      await expectUnsupported(sendSubscribe(client, filter), 0xa2);
    }
    const client = await broker.client();
    expect((await client.subscribe('a')).reasonCodes).toEqual([0]);
  });

  it('[MQTT-3.9.3-2] says 0xA1 to a Subscription Identifier where the server supports none', async () => {
    const broker = await start({ capabilities: { subscriptionIdentifiersAvailable: false } });
    const client = await broker.client();

    expect((await client.subscribe('a')).reasonCodes).toEqual([0]);

    await expectUnsupported(sendSubscribe(client, 'b', { subscriptionIdentifiers: [1] }), 0xa1);
  });

  it('[MQTT-3.9.3-2] says 0x9E to a shared subscription where the server supports none', async () => {
    const broker = await start({ capabilities: { sharedSubscriptionAvailable: false } });
    const client = await broker.client();

    expect((await client.subscribe('a')).reasonCodes).toEqual([0]);

    await expectUnsupported(sendSubscribe(client, '$share/g/a'), 0x9e);
  });

  it.each([0, 1] as const)('[MQTT-3.9.3-2] grants every requested QoS with a Maximum QoS of %d', async (maximumQoS) => {
    const broker = await start({ capabilities: { maximumQoS } });
    const client = await broker.client();

    const { reasonCodes } = await client.subscribe([
      { filter: 'a', qos: 0 },
      { filter: 'b', qos: 1 },
      { filter: 'c', qos: 2 },
    ]);

    // [MQTT-3.2.2-10] accepted, at the requested QoS or at what the server has
    reasonCodes.forEach((granted, requested) => {
      expect([requested, Math.min(requested, maximumQoS)]).toContain(granted);
    });
    await publishWhole(await broker.client(), 'c', { payload: 'x' });
    await client.expectPublish('c', 'x', { qos: 0 });
  });
});

const plain = { noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;

function sendSubscribe(client: WireClient, filter: string, properties?: Properties): WireClient {
  return client.send({
    type: PacketType.SUBSCRIBE,
    packetId: 9,
    subscriptions: [{ filter, qos: 0, ...plain }],
    properties,
  });
}

/** 3.2.2.3.11 to 13 call it a protocol error that DISCONNECT answers, 3.9.3 has the same reasons for SUBACK. */
async function expectUnsupported(client: WireClient, reasonCode: number): Promise<void> {
  const packet: Packet = await client.next();
  if (packet.type === PacketType.DISCONNECT) {
    expect(packet.reasonCode).toBe(reasonCode);
    await client.expectClosed();
  } else {
    expect(packet).toMatchObject({ type: PacketType.SUBACK, packetId: 9, reasonCodes: [reasonCode] });
    await client.expectNothing();
  }
}
