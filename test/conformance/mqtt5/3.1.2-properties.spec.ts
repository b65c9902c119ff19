import { expect, it } from '@jest/globals';
import { PacketType } from '../../../lib/protocol/packets.js';
import { breakOff } from '../../support/connection-steps.js';
import { GuardedAuth } from '../../support/guarded-auth.js';
import { readAll, readPublishes, resume } from '../../support/scenario.js';
import { describeOverTransports } from '../../support/test-broker.js';

describeOverTransports('3.1.2.10 Keep Alive', (start) => {
  it('[MQTT-3.1.2-22] closes after one and a half times the keep-alive without a packet', async () => {
    const broker = await start();
    const client = await broker.client(5, { keepAlive: 10 });

    broker.clock.advance(14);
    await client.expectNothing();
    broker.clock.advance(16);

    await client.expectDisconnect(0x8d);
  });

  // Each of them is answered: the answer tells that it was handled.
  it.each([
    ['PINGREQ', 'c0 00'],
    ['PUBLISH', '32 06 0001 74 0001 00'],
    ['PUBREL', '62 02 0001'],
    ['SUBSCRIBE', '82 07 0001 00 0001 61 00'],
    ['UNSUBSCRIBE', 'a2 06 0001 00 0001 61'],
  ])('[MQTT-3.1.2-22] counts from the last %s', async (_, bytes) => {
    const broker = await start();
    const client = await broker.client(5, { keepAlive: 10 });

    for (let packet = 0; packet < 3; packet++) {
      broker.clock.advance(10);
      client.send(bytes);
      await client.next();
    }
    broker.clock.advance(16);

    await client.expectDisconnect(0x8d);
  });

  it('[MQTT-3.1.2-22] does not count what the broker sends', async () => {
    const broker = await start();
    const client = await broker.client(5, { keepAlive: 10 });
    await client.subscribe('t');
    const publisher = await broker.client();

    broker.clock.advance(10);
    publisher.publish('t', { payload: 'x' });
    await client.expectPublish('t', 'x');
    broker.clock.advance(6);

    await client.expectDisconnect(0x8d);
  });

  it('[MQTT-3.1.2-22] keeps a connection with a keep-alive of 0 for ever', async () => {
    const broker = await start();
    const client = await broker.client(5, { keepAlive: 0 });

    broker.clock.advance(100_000);

    await client.expectNothing();
  });
});

describeOverTransports('3.1.2.11.4 Maximum Packet Size', (start) => {
  it('[MQTT-3.1.2-24] sends a PUBLISH of that size and none that is larger', async () => {
    const broker = await start();
    const client = await broker.client(5, { clientId: 'dev', properties: { maximumPacketSize: 20 } });
    await client.subscribe('t');
    const publisher = await broker.client();

    publisher.publish('t', { payload: 'x'.repeat(15) });
    publisher.publish('t', { payload: 'y'.repeat(14) });

    await client.expectPublish('t', 'y'.repeat(14));
  });

  it('[MQTT-3.1.2-24] counts the properties that it adds', async () => {
    const broker = await start();
    const client = await broker.client(5, { clientId: 'dev', properties: { maximumPacketSize: 20 } });
    await client.subscribe('t', { properties: { subscriptionIdentifiers: [300] } });
    const publisher = await broker.client();

    publisher.publish('t', { payload: 'x'.repeat(14) });
    publisher.publish('t', { payload: 'y'.repeat(11) });

    await client.expectPublish('t', 'y'.repeat(11), { properties: { subscriptionIdentifiers: [300] } });
  });

  it('[MQTT-3.1.2-25] treats a message that is too large as delivered', async () => {
    const broker = await start();
    const properties = { maximumPacketSize: 20, receiveMaximum: 1 };
    const client = await resume(broker, 'dev', properties);
    await client.subscribe('t', { qos: 2 });
    const publisher = await broker.client();

    for (const qos of [1, 2] as const) publisher.publish('t', { qos, payload: 'x'.repeat(13) });
    publisher.publish('t', { qos: 1, payload: 'fits' });
    const { packetId } = await client.expectPublish('t', 'fits');
    client.acknowledge(PacketType.PUBACK, packetId);
    await client.expectNothing();
    await breakOff(client);

    await (await resume(broker, 'dev')).expectNothing();
  });

  it('[MQTT-3.1.2-25] drops what waited for the client and is too large for its next connection', async () => {
    const broker = await start();
    const first = await resume(broker, 'dev');
    await first.subscribe('t', { qos: 1 });
    await breakOff(first);
    const publisher = await broker.client();
    publisher.publish('t', { qos: 1, payload: 'x'.repeat(13) });
    publisher.publish('t', { qos: 1, payload: 'fits' });
    await publisher.settled();

    const second = await resume(broker, 'dev', { maximumPacketSize: 20 });

    await second.expectPublish('t', 'fits');
  });
});

describeOverTransports('3.1.2.11.5 Topic Alias Maximum', (start) => {
  it('[MQTT-3.1.2-26] sends no topic alias above it, and topics that can be resolved', async () => {
    const broker = await start();
    const client = await broker.client(5, { properties: { topicAliasMaximum: 2 } });
    await client.subscribe('#');
    const publisher = await broker.client();
    const topics = ['a/long/topic/1', 'a/long/topic/2', 'a/long/topic/3', 'a/long/topic/4'];
    const sent = [...topics, ...topics, ...topics.toReversed()];

    for (const topic of sent) publisher.publish(topic);
    const packets = await readPublishes(client, sent.length);

    const known = new Map<number, string>();
    const resolved = packets.map(({ topic, properties }) => {
      const alias = properties?.topicAlias;
      if (alias === undefined) return topic;
      expect(alias).toBeGreaterThanOrEqual(1);
      expect(alias).toBeLessThanOrEqual(2);
      if (topic !== '') known.set(alias, topic);
      return known.get(alias);
    });
    expect(resolved).toEqual(sent);
  });

  it.each([
    ['absent', {}],
    ['0', { topicAliasMaximum: 0 }],
  ])('[MQTT-3.1.2-27] sends no topic alias when it is %s', async (_, properties) => {
    const broker = await start();
    const client = await broker.client(5, { properties });
    await client.subscribe('t');
    const publisher = await broker.client();

    publisher.publish('t', { payload: '1', properties: { topicAlias: 1 } });
    publisher.publish('', { payload: '2', properties: { topicAlias: 1 } });
    publisher.publish('t', { payload: '3' });

    await client.expectHex('30 05 0001 74 00 31');
    await client.expectHex('30 05 0001 74 00 32');
    await client.expectHex('30 05 0001 74 00 33');
  });
});

describeOverTransports('3.1.2.11.6 Request Response Information', (start) => {
  it.each([
    ['absent', {}, undefined],
    ['0', { requestResponseInformation: false }, undefined],
    ['1', { requestResponseInformation: true }, 'replies/'],
  ])('[MQTT-3.1.2-28] answers accordingly when it is %s', async (_, properties, responseInformation) => {
    const client = await (await start({ capabilities: { responseInformation: 'replies/' } })).open();

    const connack = await client.connect({ properties });

    expect(connack.properties?.responseInformation).toBe(responseInformation);
  });
});

describeOverTransports('3.1.2.11.7 Request Problem Information', (start) => {
  it('[MQTT-3.1.2-29] gives no Reason String and User Property in acknowledgements when it is 0', async () => {
    const broker = await start({ auth: new GuardedAuth() });
    const client = await broker.client(5, { properties: { requestProblemInformation: false } });

    const suback = await client.subscribe(['secret', 'open']);
    client.publish('secret', { qos: 1 });
    client.publish('secret', { qos: 2 });
    client.acknowledge(PacketType.PUBREL, 99);
    client.acknowledge(PacketType.PUBREC, 99);
    client.send('a2 07 0009 00 0002 6e6f');

    for (const packet of [suback, ...(await readAll(client))]) {
      expect(packet).not.toHaveProperty('properties.reasonString');
      expect(packet).not.toHaveProperty('properties.userProperties');
    }
  });

  it('[MQTT-3.1.2-29] still sends the User Properties of a message when it is 0', async () => {
    const broker = await start();
    const client = await broker.client(5, { properties: { requestProblemInformation: false } });
    await client.subscribe('t');
    const userProperties = [['k', 'v']] as const;

    client.publish('t', { payload: 'x', properties: { userProperties } });

    await client.expectPublish('t', 'x', { properties: { userProperties } });
  });
});
