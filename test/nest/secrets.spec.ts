import { describe, expect, it } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { hashPassword, OnPublish } from 'nestjs-mqttd';
import { apps } from '../support/nest-app.js';

const local = { port: 0, host: '127.0.0.1' } as const;

@Controller()
class Failing {
  @OnPublish('json', { mode: 'ack' })
  read(@Payload() value: object): void {
    throw new Error(`cannot use ${typeof value}`);
  }
}

describe('what is secret', () => {
  const start = apps();

  it('[A27] stands in no line of the log, of no level: neither passwords nor payloads, right, wrong or malformed', async () => {
    const auth = { users: { ann: { password: 'opensesame' } } };
    const { open, client, logged } = await start({ controllers: [Failing], mqttd: { ...local, auth } });
    const login = { username: 'ann', password: Buffer.from('opensesame') };
    const device = await client(5, login);
    for (const payload of ['{"secret":"payload-in-json"}', 'payload-that-is-no-json']) {
      device.publish('json', { payload, qos: 1 });
      await device.next();
    }
    device.publish('json', { payload: 'payload-above-the-qos', qos: 1, properties: { subscriptionIdentifiers: [1] } });
    await device.expectDisconnect(0x82);
    const wrong = await open(5);
    expect((await wrong.connect({ ...login, password: Buffer.from('wrong-password') })).reasonCode).toBe(0x86);
    // A password where the protocol does not expect one.
    (await open(5)).send('10 10').send(Buffer.from('opensesame as bytes of a packet'));

    await logged.find((line) => line.includes('Failing.read'));
    await logged.find((line) => line.includes('client refused'));
    expect(logged.all.filter((line) => /opensesame|wrong-password|payload-/.test(line))).toEqual([]);
  });

  it('[A27] is not in the text of an error about options either', async () => {
    const auth = { users: { ann: { password: 'opensesame', publish: ['#/no'] } } };
    await expect(start({ mqttd: { ...local, auth } })).rejects.not.toThrow('opensesame');
  });

  it('[A27] is not told by time: an unknown user costs what a wrong password does', async () => {
    const auth = { users: { ann: await hashPassword('opensesame') } };
    const { open } = await start({ mqttd: { ...local, auth } });
    const refusedIn = async (username: string): Promise<number> => {
      const client = await open(5);
      const began = performance.now();
      expect((await client.connect({ username, password: Buffer.from('guess') })).reasonCode).toBe(0x86);
      return performance.now() - began;
    };

    const [known, unknown]: number[][] = [[], []];
    for (let round = 0; round < 9; round++) {
      known.push(await refusedIn('ann'));
      unknown.push(await refusedIn('nobody'));
    }

    // Without the work of a hash it would be a hundredth.
    const median = (times: number[]) => times.sort((one, other) => one - other)[4];
    expect(median(unknown) / median(known)).toBeGreaterThan(0.3);
  });
});
