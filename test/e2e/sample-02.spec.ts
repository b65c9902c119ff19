import { afterEach, describe, expect, it } from '@jest/globals';
import { mqttJs } from '../support/mqttjs.js';
import { programs } from '../support/programs.js';
import { runningSample } from '../support/samples.js';

describe('sample 02, as its README shows it', () => {
  const { start, stop } = runningSample('start:requests');
  const run = programs();
  const connect = mqttJs();
  afterEach(stop);

  it.each([
    ['mqttv5', 'replies/7'],
    ['mqttv311', 'calc/sum/reply'],
  ])('answers %s at %s', async (version, replyTopic) => {
    const { port } = await start();

    const { stdout } = await run('mosquitto_rr', '-p', port, '-V', version, '-t', 'calc/sum', '-e', replyTopic, '-m', '[1,2,39]').finished; // prettier-ignore

    expect(stdout).toBe('42\n');
  });

  it('answers several times, and tells what is wrong', async () => {
    const { port } = await start();
    const client = await connect(port, { protocolVersion: 5 });
    await client.client.subscribeAsync('r');
    const properties = { responseTopic: 'r' };

    await client.client.publishAsync('calc/countdown/3', '', { properties });
    expect([await client.next(), await client.next(), await client.next()]).toEqual(['r: 3', 'r: 2', 'r: 1']);

    await client.client.publishAsync('calc/sum', '7', { properties });
    expect(await client.next()).toBe('r: {"message":"a list of numbers is wanted"}');
  });

  it('asks a device, which answers or does not', async () => {
    const { port, lines } = await start();
    const device = await connect(port, { protocolVersion: 5, clientId: 'meter-7' });
    device.client.on('message', (_topic, _payload, { properties }) => {
      const { responseTopic, correlationData } = properties!;
      device.client.publish(responseTopic!, '21.5', { properties: { correlationData } });
    });
    await device.client.subscribeAsync('devices/meter-7/temperature');

    await device.client.publishAsync('devices/here', 'hello');
    await lines.find((line) => line.includes('meter-7 says 21.5'));
    await run('mosquitto_pub', '-p', port, '-i', 'meter-8', '-t', 'devices/here', '-m', 'hello').finished;
    await lines.find((line) => line.includes('meter-8 does not say (NOBODY)'));
  });
});
