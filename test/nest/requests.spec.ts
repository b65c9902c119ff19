import { describe, expect, it } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import {
  AllowAllAuth,
  MQTTdException,
  MQTTdPublisher,
  MQTTdRequestError,
  OnPublish,
  OnRequest,
  type MQTTdClient,
} from 'nestjs-mqttd';
import { PacketType, type PublishPacket } from '../../lib/protocol/packets.js';
import { apps } from '../support/nest-app.js';
import { mqttJs } from '../support/mqttjs.js';
import type { WireClient } from '../support/wire-client.js';

const { PUBLISH, PUBACK } = PacketType;

/** Takes the next request and acknowledges it. */
async function nextRequest(device: WireClient): Promise<PublishPacket> {
  const request = (await device.next(PUBLISH)) as PublishPacket;
  if (request.qos === 1) device.acknowledge(PUBACK, request.packetId);
  return request;
}

function reply(
  device: WireClient,
  { properties }: PublishPacket,
  payload: string,
  correlationData = properties!.correlationData,
): void {
  device.publish(properties!.responseTopic!, { payload, properties: { correlationData } });
}

@Controller()
class Answering {
  @OnRequest('double')
  double(@Payload() number: number): number {
    return number * 2;
  }

  @OnPublish('forbidden', { mode: 'gate' })
  refuse(): never {
    throw new MQTTdException(0x87, 'not this');
  }
}

describe('publisher.request', () => {
  const start = apps();
  const connect = mqttJs();

  const startWithDevice = async (version: 4 | 5 = 5, topic = 'devices/7/get') => {
    const { app, client, ...rest } = await start({ controllers: [Answering] });
    const device = await client(version, { clientId: '7' });
    await device.subscribe(topic, { qos: 1 });
    return { publisher: app.get(MQTTdPublisher), app, client, device, ...rest };
  };

  it('[MQTT-4.10] asks a client of MQTT 5 with a Response Topic and Correlation Data, and gets its reply', async () => {
    const { publisher, device } = await startWithDevice();

    const asked = publisher.request('devices/7/get', { what: 'temperature' }, { contentType: 'json' });
    const request = await nextRequest(device);
    reply(device, request, '21.5');

    const { payload, publisher: from, topic } = await asked;
    expect(request).toMatchObject({ topic: 'devices/7/get', qos: 1, properties: { contentType: 'json' } });
    expect(String(request.payload)).toBe('{"what":"temperature"}');
    expect([String(payload), from?.clientId]).toEqual(['21.5', '7']);
    expect(topic).toBe(request.properties!.responseTopic);
    expect(topic).toMatch(/^mqttd\/replies\/[\w-]{22}\/[\w-]{22}$/);
  });

  it('asks a real device', async () => {
    const { app, port } = await start();
    const device = await connect(port, { protocolVersion: 5 });
    device.client.on('message', (_topic, payload, { properties }) => {
      const { responseTopic, correlationData } = properties!;
      device.client.publish(responseTopic!, `${String(payload)}!`, { properties: { correlationData } });
    });
    await device.client.subscribeAsync('ask/#');

    const replies = await Promise.all(['a', 'b', 'c'].map((one) => app.get(MQTTdPublisher).request(`ask/${one}`, one)));

    expect(replies.map(({ payload }) => String(payload))).toEqual(['a!', 'b!', 'c!']);
  });

  it('asks a client of 3.1.1, which answers to <topic>/reply, in the order of the requests', async () => {
    const { publisher, device } = await startWithDevice(4);

    const asked = [publisher.request('devices/7/get', '1'), publisher.request('devices/7/get', '2')];
    for (let count = 0; count < 2; count++) {
      const { payload } = await nextRequest(device);
      device.publish('devices/7/get/reply', { payload: `reply to ${String(payload)}` });
    }

    expect((await Promise.all(asked)).map(({ payload }) => String(payload))).toEqual(['reply to 1', 'reply to 2']);
  });

  it('asks one client alone where it is named, and takes nobody else’s reply', async () => {
    const { publisher, device, client } = await startWithDevice();
    const other = await client(5, { clientId: 'other' });
    await other.subscribe('devices/7/get', { qos: 1 });

    const asked = publisher.request('devices/7/get', 'x', { clientId: '7' });
    const request = await nextRequest(device);
    await other.expectNothing();
    reply(other, request, 'forged');
    await other.settled();
    reply(device, request, 'true');

    expect(String((await asked).payload)).toBe('true');
  });

  it('is not disturbed by replies that come late, twice, or with other Correlation Data', async () => {
    const { publisher, device } = await startWithDevice();
    const first = publisher.request('devices/7/get', '1');
    const second = publisher.request('devices/7/get', '2');
    const [one, two] = [await nextRequest(device), await nextRequest(device)];

    reply(device, one, 'forged', two.properties!.correlationData);
    for (const text of ['1', '1 again']) reply(device, one, text);
    reply(device, two, '2');

    expect(String((await first).payload)).toBe('1');
    expect(String((await second).payload)).toBe('2');
    reply(device, two, 'late');
    await device.settled();
  });

  it('can be answered by a handler of this application', async () => {
    const { publisher } = await startWithDevice();

    expect(String((await publisher.request('double', 21)).payload)).toBe('42');
  });

  it.each<[string, Parameters<MQTTdPublisher['request']>, string, RegExp]>([
    ['nobody has subscribed', ['nowhere', 'x'], 'NOBODY', /^request\("nowhere"\): nobody has subscribed to it$/],
    [
      'the client is not connected',
      ['devices/7/get', 'x', { clientId: '8' }],
      'NOBODY',
      /^request\("devices\/7\/get"\) to "8": it is not connected/,
    ],
    [
      'the client has not subscribed',
      ['devices/8/get', 'x', { clientId: '7' }],
      'NOBODY',
      /to "7": it is not connected, or has not subscribed/,
    ],
    ['a gate refuses', ['forbidden', 'x'], 'REFUSED', /^request\("forbidden"\): not this$/],
    [
      'no reply comes',
      ['devices/7/get', 'x', { timeoutMs: 20 }],
      'TIMEOUT',
      /^request\("devices\/7\/get"\): no reply within 20 ms$/,
    ],
  ])('is rejected when %s', async (_, request, code, message) => {
    const { publisher, broker } = await startWithDevice();
    const { size } = broker.topics;

    const rejected = publisher.request(...request).catch((error: unknown) => error);

    expect(await rejected).toBeInstanceOf(MQTTdRequestError);
    expect(await rejected).toMatchObject({ code, message: expect.stringMatching(message) });
    // Nothing is left behind but where replies come to.
    expect(broker.topics.size).toBe(size + 1);
  });

  it('[A50] takes no reply that its client may not publish', async () => {
    class Mute extends AllowAllAuth {
      override mayPublish({ clientId }: MQTTdClient): boolean {
        return clientId !== '7';
      }
    }
    const { app, client } = await start({ mqttd: { port: 0, host: '127.0.0.1', auth: new Mute() } });
    const device = await client(5, { clientId: '7' });
    await device.subscribe('get', { qos: 1 });

    const asked = app.get(MQTTdPublisher).request('get', 'x', { timeoutMs: 100 });
    const rejected = asked.catch((error: unknown) => error);
    reply(device, await nextRequest(device), 'forbidden');

    expect(await rejected).toMatchObject({ code: 'TIMEOUT' });
  });

  it('is rejected when the application stops', async () => {
    const { app, publisher, device } = await startWithDevice();
    const rejected = publisher.request('devices/7/get', 'x').catch((error: unknown) => error);
    await nextRequest(device);

    await app.close();

    expect(await rejected).toMatchObject({ code: 'STOPPED' });
  });
});

describe('publisher.observe', () => {
  const start = apps();

  it('gives what is published to a filter by clients, as a will, and by the application, as long as somebody listens', async () => {
    const { app, client, broker } = await start();
    const publisher = app.get(MQTTdPublisher);
    const { size } = broker.topics;
    const heard: string[] = [];
    const observed = publisher.observe('a/#');
    expect(broker.topics.size).toBe(size);

    const subscription = observed.subscribe(({ topic, payload, qos, publisher: from }) =>
      heard.push(`${topic} ${String(payload)} ${qos} ${from?.clientId}`),
    );
    const will = { topic: 'a/will', payload: Buffer.from('w'), qos: 1, retain: false } as const;
    const device = await client(5, { clientId: '7', will });
    device.publish('a/b', { payload: 'x', qos: 0 });
    device.publish('b', { payload: 'elsewhere' });
    await device.settled();
    await publisher.publish('a', 'y', { qos: 2 });
    device.disconnect(0x04);
    await device.expectClosed();
    subscription.unsubscribe();
    subscription.unsubscribe();
    await publisher.publish('a', 'unheard');

    expect(heard).toEqual(['a/b x 0 7', 'a y 2 undefined', 'a/will w 1 7']);
    expect(broker.topics.size).toBe(size);
  });

  it.each(['a/#/b', '$share/g/a', ''])('refuses %p', async (filter) => {
    const { app } = await start();

    expect(() => app.get(MQTTdPublisher).observe(filter)).toThrow(/^observe\(.*\): not a topic filter/);
  });
});
