import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Test, type TestingModule } from '@nestjs/testing';
import { MQTTdTesting } from 'nestjs-mqttd';
import { AppModule } from '../src/app.module.js';
import { DoorsController } from '../src/doors.controller.js';

describe('doors', () => {
  let mqtt: MQTTdTesting;
  let module: TestingModule;

  beforeEach(async () => {
    mqtt = new MQTTdTesting();
    module = await mqtt.in(Test.createTestingModule({ imports: [AppModule] })).compile();
    await module.init();
  });
  afterEach(() => module.close());

  it('are opened, and that is written down', async () => {
    const log = await mqtt.connect({ clientId: 'log' });
    await log.subscribe('doors/log', { qos: 1 });
    const ann = await mqtt.connect({ clientId: 'ann' });

    expect(await ann.publish('doors/front/open', 'ann', { qos: 1 })).toMatchObject({ reasonCode: 0x10 });

    expect(JSON.parse((await log.next()).text)).toEqual({ door: 'front', by: 'ann' });
  });

  it('stay closed when they are locked: whoever tries is told', async () => {
    module.get(DoorsController).locked.add('back');
    const bob = await mqtt.connect({ clientId: 'bob' });
    await bob.subscribe('doors/#');

    expect(await bob.publish('doors/back/open', 'bob', { qos: 1 })).toEqual({
      reasonCode: 0x87,
      reasonString: 'the back door is locked',
    });

    await bob.settled();
    expect(bob.messages).toEqual([]);
  });

  it('have a log that is of no interest after an hour', async () => {
    const session = { clientId: 'log', cleanStart: false, properties: { sessionExpiryInterval: 86_400 } };
    const log = await mqtt.connect(session);
    await log.subscribe('doors/log', { qos: 1 });
    log.drop();
    const ann = await mqtt.connect({ clientId: 'ann' });
    await ann.publish('doors/front/open', 'early', { qos: 1 });
    mqtt.clock.advance(3000);
    await ann.publish('doors/front/open', 'late', { qos: 1 });
    mqtt.clock.advance(1000);

    const again = await mqtt.connect(session);

    expect(JSON.parse((await again.next()).text)).toMatchObject({ by: 'late' });
  });
});
