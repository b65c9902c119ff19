import { expect, it } from '@jest/globals';
import { publishKept, readAll, resume } from '../support/scenario.js';
import { describeOverTransports } from '../support/test-broker.js';

const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'prototype', 'valueOf', 'length', 'null'];

describeOverTransports('names that JavaScript treats specially', (start) => {
  it.each(names)('[A13] %s as client id, user name, topic, filter and user property', async (name) => {
    const broker = await start();
    const properties = { sessionExpiryInterval: 60 };
    const options = { clientId: name, username: name, password: Buffer.from(name), cleanStart: false, properties };
    const userProperties = [
      [name, name],
      [name, ''],
    ] as const;
    const client = await broker.open();
    expect(await client.connect(options)).toMatchObject({ sessionPresent: false, reasonCode: 0 });
    await client.subscribe([name, `${name}/+`, `+/${name}`, `$share/${name}/${name}`], { qos: 1 });

    for (const topic of [name, `${name}/${name}`, `a/${name}`]) {
      client.publish(topic, { payload: topic, properties: { userProperties, topicAlias: 1 } });
    }

    const packets = await readAll(client);
    expect(packets.map((packet) => 'topic' in packet && packet.topic)).toEqual([
      name,
      name,
      `${name}/${name}`,
      `a/${name}`,
    ]);
    for (const packet of packets) expect(packet).toMatchObject({ properties: { userProperties } });
    client.drop();
    const again = await broker.open();
    expect(await again.connect(options)).toMatchObject({ sessionPresent: true, reasonCode: 0 });
    await again.expectNothing();
  });

  it('[A13] as topics of retained messages', async () => {
    const broker = await start();
    const publisher = await broker.client();
    for (const name of names) await publishKept(publisher, `${name}/${name}`, { retain: true, payload: name });
    const subscriber = await broker.client();

    for (const name of names) {
      await subscriber.subscribe(`${name}/${name}`);
      await subscriber.expectPublish(`${name}/${name}`, name);
    }
    await subscriber.subscribe('#');
    expect(await readAll(subscriber)).toHaveLength(names.length);
    for (const name of names) await publishKept(publisher, `${name}/${name}`, { retain: true });

    expect(broker.broker.retained.size).toBe(0);
  });

  it('[A13] a client id that nobody uses finds no session', async () => {
    const broker = await start();
    for (const name of names) {
      const client = await broker.open();
      expect(await client.connect({ clientId: name, cleanStart: false })).toMatchObject({ sessionPresent: false });
      client.drop();
    }
    await (await resume(broker, 'other')).expectNothing();
  });
});
