import { expect, it } from '@jest/globals';
import { PacketType } from '../../lib/protocol/packets.js';
import { describeInMemory, leave, payloadsOf, publishKept, readAll, resume } from '../support/scenario.js';

const isLong = Boolean(process.env.MQTTD_TEST_LONG);
const slashes = '/'.repeat(65_535);

describeInMemory('packets that are costly to handle', (start) => {
  it('[A9] 10,000 user properties are forwarded whole and in order, retained and queued as well', async () => {
    const broker = await start();
    const publisher = await broker.client();
    const userProperties = Array.from({ length: 10_000 }, (_, index) => [`k${index % 7}`, `${index}`] as const);
    const live = await broker.client();
    await live.subscribe('a', { properties: { subscriptionIdentifiers: [3] } });
    await (await resume(broker, 'queue')).subscribe('a', { qos: 1 });
    await leave(await resume(broker, 'queue'));

    await publishKept(publisher, 'a', { retain: true, payload: 'x', properties: { userProperties } });

    const late = await broker.client();
    await late.subscribe('a');
    for (const client of [live, late, await resume(broker, 'queue')]) {
      const { properties } = await client.expectPublish('a', 'x');
      expect(properties?.userProperties).toEqual(userProperties);
    }
  });

  it('[A9] 10,000 user properties on every packet that can have them are taken and not answered', async () => {
    const broker = await start();
    const userProperties = Array.from({ length: 10_000 }, () => ['a', 'b'] as const);
    const client = await broker.client(5, { clientId: 'c', properties: { userProperties } });

    await client.subscribe('a', { properties: { userProperties } });
    client.send({ type: PacketType.UNSUBSCRIBE, packetId: 9, filters: ['a'], properties: { userProperties } });
    await client.expect({ type: PacketType.UNSUBACK, packetId: 9, properties: undefined });
    for (const type of [PacketType.PUBACK, PacketType.PUBCOMP] as const) {
      client.send({ type, packetId: 1, reasonCode: 0, properties: { userProperties } });
    }
    await client.expectNothing();
    client.disconnect(0, { userProperties });

    await client.expectClosed();
  });

  it.each([0, 1, 2] as const)(
    '[A10] a topic of 65,535 slashes is refused, QoS %i, and others are served',
    async (qos) => {
      const broker = await start();
      const subscriber = await broker.client();
      const client = await broker.client();
      await subscriber.subscribe('#');

      client.publish(slashes, { qos, payload: 'x' });

      if (qos > 0) await expectRefusedTopic(client);
      await publishKept(await broker.client(), 'a', { payload: 'x' });
      await subscriber.expectPublish('a', 'x');
      await subscriber.expectNothing();
    },
  );

  it('[A10] a retained topic of 65,535 slashes is not kept: neither #, nor its removal, walks 65,536 levels', async () => {
    const broker = await start();
    const client = await broker.client();
    client.publish(slashes, { retain: true, payload: 'x' });
    const other = await broker.client();
    await other.expectNothing();
    expect(broker.broker.retained.size).toBe(0);

    await other.subscribe('#');
    await other.expectNothing();
    const again = await broker.client();
    again.publish(slashes, { retain: true, payload: '' });

    await other.expectNothing();
  });

  it('[A10] a topic of 128 levels passes, one of 129 is refused, in PUBLISH and in a will', async () => {
    const broker = await start();
    const subscriber = await broker.client();
    await subscriber.subscribe('#');
    const levels = (count: number) => Array.from({ length: count }, () => 'x').join('/');
    const client = await broker.client();

    await publishKept(client, levels(128), { payload: 'x' });
    await subscriber.expectPublish(levels(128), 'x');
    client.publish(levels(129), { qos: 1, payload: 'x' });

    await expectRefusedTopic(client);
    const willing = await broker.open();
    const will = { topic: levels(129), payload: Buffer.from('x'), qos: 0, retain: false } as const;
    const { reasonCode } = await willing.connect({ will });
    expect(reasonCode).toBeGreaterThanOrEqual(0x80);
    await subscriber.expectNothing();
  });

  it('[A10] filters of 100 `+` match in bounded steps and are given back', async () => {
    const broker = await start();
    const client = await broker.client();
    const pluses = Array.from({ length: 100 }, () => '+');
    const filters = Array.from({ length: 100 }, (_, index) => pluses.slice(0, index + 1).join('/'));
    await client.subscribe(filters);
    await client.subscribe(filters.map((filter) => `${filter}/#`));

    for (const count of [1, 50, 100, 128]) {
      client.publish(Array.from({ length: count }, () => 'x').join('/'), { payload: `${count}` });
    }

    expect(payloadsOf(await readAll(client))).toEqual(['1', '50', '100', '128']);
    client.send({
      type: PacketType.UNSUBSCRIBE,
      packetId: 500,
      filters: [...filters, ...filters.map((f) => `${f}/#`)],
    });
    await client.next(PacketType.UNSUBACK);
    expect(broker.broker.topics.size).toBe(0);
  });

  it('[A10] a tree of one-off filters ends at the bound of the session, and with it', async () => {
    const count = isLong ? 1_000_000 : 20_000;
    const maximumSubscriptions = count / 2;
    const broker = await start({ limits: { maximumSubscriptions } });
    const client = await broker.client(5, { clientId: 'c' });

    const codes: number[] = [];
    for (let sent = 0; sent < count; sent += 1000) {
      const filters = Array.from({ length: 1000 }, (_, index) => `a/${sent + index}/+`);
      for (const code of (await client.subscribe(filters)).reasonCodes) codes.push(code);
    }

    expect(codes.slice(0, maximumSubscriptions).every((code) => code === 0)).toBe(true);
    expect(codes.slice(maximumSubscriptions).every((code) => code === 0x97)).toBe(true);
    expect(broker.broker.topics.size).toBe(maximumSubscriptions);
    await leave(client);
    expect(broker.broker.topics.size).toBe(0);
  }, 300_000);

  /** An acknowledgement that refuses, or DISCONNECT: either way not delivered. */
  async function expectRefusedTopic(client: Awaited<ReturnType<typeof resume>>): Promise<void> {
    const packet = await client.next();
    expect([PacketType.PUBACK, PacketType.PUBREC, PacketType.DISCONNECT]).toContain(packet.type);
    expect('reasonCode' in packet && packet.reasonCode).toBeGreaterThanOrEqual(0x80);
  }
});
