import { describe, expect, it } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { ConnectedClient, MQTTdPublisher, OnRequest, type MQTTdClient } from 'nestjs-mqttd';
import { from, type Observable } from 'rxjs';
import { mqttJs } from '../support/mqttjs.js';
import { apps } from '../support/nest-app.js';

@Controller()
class Calculator {
  @OnRequest('calc/sum')
  sum(@Payload() numbers: number[]): number {
    return numbers.reduce((sum, one) => sum + one, 0);
  }

  @OnRequest('calc/each')
  each(@Payload() numbers: number[], @ConnectedClient() client: MQTTdClient): Observable<string> {
    return from(numbers.map((number) => `${client.clientId} ${number}`));
  }
}

describe('mqtt.js with MQTT 5', () => {
  const start = apps();
  const connectTo = mqttJs();

  const startWith = async () => {
    const { port, app } = await start({ controllers: [Calculator] });
    return { app, connect: (options = {}) => connectTo(port, { protocolVersion: 5, ...options }) };
  };

  it('shares a subscription: each message goes to one of the group, and to everybody outside it', async () => {
    const { connect } = await startWith();
    const workers = [await connect(), await connect(), await connect()];
    for (const { client } of workers) await client.subscribeAsync('$share/workers/jobs/#', { qos: 1 });
    const outsider = await connect();
    await outsider.client.subscribeAsync('jobs/#', { qos: 1 });
    const publisher = await connect();

    for (let job = 0; job < 9; job++) await publisher.client.publishAsync(`jobs/${job}`, 'x', { qos: 1 });

    for (let job = 0; job < 9; job++) expect(await outsider.next()).toBe(`jobs/${job}: x`);
    await Promise.all(workers.map(({ client }) => client.endAsync()));
    const done = workers.flatMap(({ messages }) => messages.all.map(({ topic }) => topic));
    expect(done.sort()).toEqual(Array.from({ length: 9 }, (_, job) => `jobs/${job}`));
    for (const { messages } of workers) expect(messages.all).toHaveLength(3);
  });

  it('carries user properties and all else that belongs to the message', async () => {
    const { connect } = await startWith();
    const subscriber = await connect();
    await subscriber.client.subscribeAsync('a', { qos: 1, properties: { subscriptionIdentifier: 42 } });
    const publisher = await connect();
    const properties = {
      payloadFormatIndicator: true,
      messageExpiryInterval: 60,
      contentType: 'application/json',
      responseTopic: 'replies',
      correlationData: Buffer.from([0, 255]),
      userProperties: { unit: ['C', 'K'], place: 'north' },
    };

    await publisher.client.publishAsync('a', '{}', { qos: 1, properties });

    const { packet } = await subscriber.messages.next();
    expect(packet.properties).toMatchObject({ ...properties, subscriptionIdentifier: 42 });
  });

  it('sends and gets the properties of what the application publishes', async () => {
    const { app, connect } = await startWith();
    const subscriber = await connect();
    await subscriber.client.subscribeAsync('a');

    await app.get(MQTTdPublisher).publish('a', 1, { userProperties: [['unit', 'C']], contentType: 'text/plain' });

    const { packet } = await subscriber.messages.next();
    expect(packet.properties).toMatchObject({ userProperties: { unit: 'C' }, contentType: 'text/plain' });
  });

  it('asks a handler and gets its replies, told apart by the Correlation Data', async () => {
    const { connect } = await startWith();
    const { client, messages } = await connect();
    await client.subscribeAsync('replies/1', { qos: 1 });
    const ask = (topic: string, payload: string, correlation: string) =>
      client.publishAsync(topic, payload, {
        qos: 1,
        properties: { responseTopic: 'replies/1', correlationData: Buffer.from(correlation) },
      });

    await ask('calc/sum', '[1,2,3]', 'a');
    await ask('calc/sum', '[10,20]', 'b');

    const replies = [await messages.next(), await messages.next()];
    const texts = replies.map(
      ({ payload, packet }) => `${packet.properties?.correlationData?.toString()} ${payload.toString()}`,
    );
    expect(texts.sort()).toEqual(['a 6', 'b 30']);
  });

  it('gets a stream of replies', async () => {
    const { connect } = await startWith();
    const asking = await connect({ clientId: 'asking' });
    await asking.client.subscribeAsync('replies/1');

    await asking.client.publishAsync('calc/each', '[7,8]', { properties: { responseTopic: 'replies/1' } });

    expect([await asking.next(), await asking.next()]).toEqual(['replies/1: asking 7', 'replies/1: asking 8']);
  });

  it('requests and replies between two clients', async () => {
    const { connect } = await startWith();
    const answering = await connect();
    await answering.client.subscribeAsync('time/now');
    answering.client.on('message', (_topic, _payload, { properties }) => {
      const { responseTopic, correlationData } = properties!;
      answering.client.publish(responseTopic!, 'noon', { properties: { correlationData } });
    });
    const asking = await connect();
    await asking.client.subscribeAsync('replies/2');

    const properties = { responseTopic: 'replies/2', correlationData: Buffer.from('7') };
    await asking.client.publishAsync('time/now', '', { properties });

    const { payload, packet } = await asking.messages.next();
    expect([payload.toString(), packet.properties?.correlationData?.toString()]).toEqual(['noon', '7']);
  });

  it('sees its own messages no more with No Local', async () => {
    const { connect } = await startWith();
    const talker = await connect();
    const other = await connect();
    await talker.client.subscribeAsync('chat', { nl: true, qos: 1 });

    await talker.client.publishAsync('chat', 'mine', { qos: 1 });
    await other.client.publishAsync('chat', 'yours', { qos: 1 });

    expect(await talker.next()).toBe('chat: yours');
  });

  it('is told why when the application shuts down', async () => {
    const { app, connect } = await startWith();
    const { client } = await connect();
    const disconnected = new Promise<number | undefined>((resolve) =>
      client.once('disconnect', ({ reasonCode }) => resolve(reasonCode)),
    );

    await app.close();

    expect(await disconnected).toBe(0x8b);
  });
});
