import { beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Inject, Injectable, Scope } from '@nestjs/common';
import { Payload, CONTEXT } from '@nestjs/microservices';
import { MQTTdException, OnConnect, OnPublish, OnSubscribe } from 'nestjs-mqttd';
import { apps } from '../support/nest-app.js';

let made = 0;
beforeEach(() => {
  made = 0;
});

@Injectable({ scope: Scope.REQUEST })
class PerMessage {
  readonly number = ++made;

  constructor(@Inject(CONTEXT) readonly context: { readonly pattern?: unknown }) {}
}

@Controller()
class Scoped {
  constructor(private readonly own: PerMessage) {}

  @OnConnect()
  enter(): void {}

  @OnSubscribe('a')
  greet(): string {
    return `number ${this.own.number}`;
  }

  @OnPublish('acks', { mode: 'ack' })
  acknowledge(@Payload() text: string): void {
    throw new MQTTdException(0x97, `${text} ${this.own.number}`);
  }

  @OnPublish('gates', { mode: 'gate' })
  pass(@Payload() text: string): void {
    throw new MQTTdException(0x97, `${text} ${this.own.number}`);
  }
}

describe('a request-scoped controller', () => {
  const start = apps();

  it('is made anew for each call, in every mode and for every event', async () => {
    const { client } = await start({ controllers: [Scoped], providers: [PerMessage] });
    const device = await client();
    await device.subscribe('a');
    await device.expectPublish('a', 'number 2');

    for (const [topic, number] of [
      ['acks', 3],
      ['gates', 4],
      ['acks', 5],
    ] as const) {
      const packetId = device.publish(topic, { payload: 'x', qos: 1 });
      await device.expect({ packetId, reasonCode: 0x97, properties: { reasonString: `x ${number}` } });
    }
    expect(made).toBe(5);
  });
});
