import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Module } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { Test, type TestingModule } from '@nestjs/testing';
import {
  ConnectedClient,
  MQTTdBroker,
  MQTTdException,
  MQTTdModule,
  MQTTdPublisher,
  MQTTdRefusedError,
  MQTTdTesting,
  OnConnect,
  OnPublish,
  type MQTTdClient,
} from 'nestjs-mqttd';

@Controller()
class Readings {
  @OnConnect()
  enter(@ConnectedClient() { certificateName, clientId }: MQTTdClient): void {
    if (clientId === 'stranger') throw new MQTTdException(0x87, 'not you');
    if (certificateName !== undefined) this.names.push(certificateName);
  }

  readonly names: string[] = [];

  @OnPublish('readings', { mode: 'gate' })
  check(@Payload() reading: { celsius: number }): void {
    if (reading.celsius > 60) throw new MQTTdException(0x99, 'too hot');
  }
}

/** As an application has it: on a port that cannot be had here. */
@Module({
  imports: [MQTTdModule.forRoot({ port: 1, host: '192.0.2.1', allowAnonymous: true })],
  controllers: [Readings],
})
class AppModule {}

describe('MQTTdTesting', () => {
  let mqtt: MQTTdTesting;
  let module: TestingModule;
  beforeEach(async () => {
    mqtt = new MQTTdTesting({ timeoutMs: 300 });
    module = await mqtt.in(Test.createTestingModule({ imports: [AppModule] })).compile();
    await module.init();
  });
  afterEach(() => module.close());

  it.each([5, 4, 3] as const)('connects clients of version %d to the application, without a port', async (version) => {
    const [one, other] = [
      await mqtt.connect({ version, clientId: 'a' }),
      await mqtt.connect({ version, clientId: 'b' }),
    ];
    expect(await other.subscribe(['a/+', 'b'], { qos: 2 })).toEqual([2, 2]);

    for (const qos of [0, 1, 2] as const) expect((await one.publish('a/b', { qos }, { qos })).reasonCode).toBe(0);

    for (const qos of [0, 1, 2])
      expect(await other.next()).toMatchObject({ topic: 'a/b', text: `{"qos":${qos}}`, qos });
    await other.unsubscribe('a/+');
    await one.publish('a/b', 'unheard');
    await other.settled();
    expect(other.messages).toHaveLength(3);
  });

  it('tells what the broker says', async () => {
    const device = await mqtt.connect();

    expect(await device.publish('readings', { celsius: 71 }, { qos: 1 })).toEqual({
      reasonCode: 0x99,
      reasonString: 'too hot',
    });
    expect(await device.publish('readings', { celsius: 71 }, { qos: 2 })).toEqual({
      reasonCode: 0x99,
      reasonString: 'too hot',
    });
    expect(device.clientId).not.toBe('');
  });

  it('rejects for a client that is refused', async () => {
    const refused = await mqtt.connect({ clientId: 'stranger' }).catch((error: unknown) => error);

    expect(refused).toBeInstanceOf(MQTTdRefusedError);
    expect(refused).toMatchObject({
      reasonCode: 0x87,
      reasonString: 'not you',
      message: 'the client was refused: 0x87, not you',
    });
  });

  it('gives clients what a listener would know of them', async () => {
    await mqtt.connect({}, { tls: true, certificateName: 'meter-7' });

    expect(module.get(Readings).names).toEqual(['meter-7']);
  });

  it('moves the clock: a session expires, a will comes after its delay', async () => {
    const session = { clientId: '7', cleanStart: false, properties: { sessionExpiryInterval: 60 } };
    (await mqtt.connect(session)).drop();
    const witness = await mqtt.connect();
    await witness.subscribe('wills');

    mqtt.clock.advance(59);
    expect((await mqtt.connect({ ...session, will: { topic: 'wills', payload: 'gone' } })).sessionPresent).toBe(true);
    await mqtt.connect({ ...session, cleanStart: true });
    mqtt.clock.advance(61);
    expect(await witness.next()).toMatchObject({ topic: 'wills', text: 'gone' });

    (await mqtt.connect(session)).drop();
    await witness.settled();
    mqtt.clock.advance(61);
    expect((await mqtt.connect(session)).sessionPresent).toBe(false);
  });

  it('says what it waited for, and what it has got', async () => {
    const device = await mqtt.connect();
    await device.subscribe('a');
    await device.publish('a', 'x');
    await device.next();

    await expect(device.next()).rejects.toThrow('a message was awaited for 300 ms; it has got "a"');
    module.get(MQTTdBroker).sessions.get(device.clientId)!.connection!.disconnect(0x98);
    expect(await device.closed()).toBe(0x98);
    await expect(device.publish('a')).rejects.toThrow(
      'an answer was awaited, and the connection ended; it has got "a"',
    );
  });

  it('needs the application to be initialized, and ends with it', async () => {
    const device = await mqtt.connect();
    await module.get(MQTTdPublisher).publish('a', 'x');

    await module.close();

    expect(await device.closed()).toBe(0x8b);
    expect(() => mqtt.connect()).toThrow('the broker does not listen yet, or not any more; await module.init() first');
  });
});
