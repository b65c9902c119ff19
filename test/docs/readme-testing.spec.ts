import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { Test, type TestingModule } from '@nestjs/testing';
import { MQTTdModule, MQTTdTesting } from 'nestjs-mqttd';
import { MetersController } from './readme-handlers.js';

let mqtt: MQTTdTesting;
let module: TestingModule;

beforeEach(async () => {
  mqtt = new MQTTdTesting();
  const imports = [MQTTdModule.forRoot({ port: 1883 })]; // your AppModule, with the options that it has
  module = await mqtt.in(Test.createTestingModule({ imports, controllers: [MetersController] })).compile();
  await module.init();
});
afterEach(() => module.close());

it('stores the readings of a meter, and tells it what is wrong with others', async () => {
  const meter = await mqtt.connect({ clientId: '7' });

  expect(await meter.publish('meters/7/reading', { watts: 60 }, { qos: 1 })).toMatchObject({ reasonCode: 0 });
  expect(await meter.publish('meters/7/reading', { watts: -1 }, { qos: 1 })).toMatchObject({
    reasonCode: 0x99,
    reasonString: 'watts must not be less than 0',
  });

  expect(module.get(MetersController).stored).toEqual([{ watts: 60 }]);
});

it('keeps the subscriptions of a meter that was away for an hour', async () => {
  const session = { clientId: '7', cleanStart: false, properties: { sessionExpiryInterval: 7200 } };
  const meter = await mqtt.connect(session);
  await meter.subscribe('meters/7/name', { qos: 1 });
  meter.drop();
  await (await mqtt.connect({ clientId: '8' })).publish('meters/7/name', 'kitchen', { qos: 1 });

  mqtt.clock.advance(3600);

  const again = await mqtt.connect(session);
  expect(again.sessionPresent).toBe(true);
  expect((await again.next()).text).toBe('kitchen');
});
