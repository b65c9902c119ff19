import { afterEach, describe, expect, it } from '@jest/globals';
import { programs } from '../support/programs.js';
import { runningSample } from '../support/samples.js';

describe('sample 03, as its README shows it', () => {
  const { start, stop } = runningSample('start:guarded');
  const run = programs();
  afterEach(stop);

  const reading = ['-t', 'devices/meter-7/reading', '-m', '{"celsius":21.5}'];
  const meter7 = ['-u', 'meter-7', '-P', 'seven'];

  /** What mosquitto_pub says of a PUBLISH at QoS 1. */
  const publish = async (port: number, ...args: string[]): Promise<string> => {
    const { stdout, stderr } = await run('mosquitto_pub', '-p', port, '-V', 'mqttv5', '-q', 1, '-d', ...args).finished;
    return stdout + stderr;
  };

  it('lets through what is right, with a time', async () => {
    const { port } = await start();
    const own = run(
      'stdbuf',
      '-oL',
      'mosquitto_sub',
      '-p',
      port,
      ...meter7,
      '-t',
      'devices/meter-7/reading',
      '-C',
      1,
      '-d',
    );
    await own.says('Subscribed');

    expect(await publish(port, ...meter7, ...reading)).toContain('(Mid: 1, RC:0)');

    expect((await own.finished).stdout).toMatch(/\{"at":"\d{4}-.*Z","celsius":21\.5\}/);
  });

  it.each([
    ['a wrong secret', ['-u', 'meter-7', '-P', 'wrong', ...reading], 'CONNACK (134)'],
    ['a device that was replaced', ['-u', 'meter-8', '-P', 'eight', ...reading], 'CONNACK (138)'],
    ['a reading that is none', [...meter7, '-t', 'devices/meter-7/reading', '-m', '{"celsius":210}'], 'RC:153'],
    ['a payload that is no JSON', [...meter7, '-t', 'devices/meter-7/reading', '-m', 'hot'], 'RC:153'],
    ['the topic of another device', [...meter7, '-t', 'devices/meter-9/reading', '-m', '{"celsius":1}'], 'RC:135'],
  ])('tells the device about %s', async (_, args, told) => {
    const { port } = await start();

    expect(await publish(port, ...args)).toContain(told);
  });

  it('refuses to let a device listen to another one', async () => {
    const { port } = await start();
    const args = ['-p', port, '-V', 'mqttv5', ...meter7, '-t', 'devices/meter-9/#', '-E', '-d'];

    const { stdout, stderr } = await run('mosquitto_sub', ...args).finished;

    expect(stdout + stderr).toContain('Subscribed (mid: 1): 135');
  });
});
