import { afterEach, describe, expect, it } from '@jest/globals';
import { Program, programs } from '../support/programs.js';
import { builtSample, root } from '../support/samples.js';

describe('sample 01, as its README shows it', () => {
  const application = builtSample('start');
  const run = programs();
  let sample: Program | undefined;

  afterEach(async () => {
    sample?.kill('SIGKILL');
    await sample?.finished;
  });

  /** Starts the sample on a free port. */
  const startSample = async () => {
    const env = { ...process.env, MQTT_PORT: '0', NO_COLOR: '1' };
    sample = new Program(process.execPath, [application], { cwd: root, env });
    const line = await sample.lines.find((one) => one.includes('listening on mqtt://127.0.0.1:'));
    return { sample, port: Number(/:(\d+)$/.exec(line)![1]) };
  };

  it('hears readings and raises the alarm above 60 degrees, retained', async () => {
    const {
      sample: { lines },
      port,
    } = await startSample();
    const subscriber = run('mosquitto_sub', '-p', port, '-v', '-t', 'sensors/#', '-t', 'sensors/9/hello', '-C', 4);
    await subscriber.says('sensors/9/hello hello, this is sensor 9');

    await run('mosquitto_pub', '-p', port, '-t', 'sensors/7/temperature', '-m', '21.5', '-q', 1).finished;
    await run('curl', '-sS', '-d', '71.5', `mqtt://127.0.0.1:${port}/sensors/8/temperature`).finished;

    await lines.find((line) => /sensor 7 says 21\.5 degrees \(client .+\)/.test(line));
    const { stdout } = await subscriber.finished;
    expect(stdout.trim().split('\n').slice(1)).toEqual([
      'sensors/7/temperature 21.5',
      'sensors/8/temperature 71.5',
      'sensors/8/alarm {"on":true,"celsius":71.5}',
    ]);
    const late = run('curl', '-sN', `mqtt://127.0.0.1:${port}/sensors/8/alarm`);
    await late.says('{"on":true,"celsius":71.5}');
  });

  it('greets whoever subscribes to the hello of a sensor', async () => {
    const { port } = await startSample();

    const { stdout } = await run('mosquitto_sub', '-p', port, '-t', 'sensors/7/hello', '-C', 1).finished;

    expect(stdout).toBe('hello, this is sensor 7\n');
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('ends with %s, exit code 0, and sends its clients away', async (signal) => {
    const { sample: program, port } = await startSample();
    const subscriber = run('mosquitto_sub', '-p', port, '-V', 'mqttv5', '-t', 'sensors/7/hello', '-d');
    await subscriber.says('hello, this is sensor 7');

    program.kill(signal);

    const { code, stderr } = await program.finished;
    expect([code, stderr]).toEqual([0, '']);
    subscriber.kill('SIGTERM');
    expect((await subscriber.finished).stdout).toMatch(/Received DISCONNECT \(139\)/);
  });

  it('says what is wrong when its port is taken, and exits with 1', async () => {
    const { port } = await startSample();

    const env = { ...process.env, MQTT_PORT: String(port), NO_COLOR: '1' };
    const second = new Program(process.execPath, [application], { cwd: root, env });

    const { code, stderr } = await second.finished;
    expect(code).toBe(1);
    expect(stderr).toContain(`port: ${port} is taken by another process; choose another port or stop it`);
  });

  it('leaves nothing behind that keeps a process running: a closed application ends by itself', async () => {
    const script = `
      import 'reflect-metadata';
      import { NestFactory } from '@nestjs/core';
      import { MQTTdModule, MQTTdPublisher } from 'nestjs-mqttd';
      const module = { module: class {}, imports: [MQTTdModule.forRoot({ port: 0 })] };
      const app = await NestFactory.createApplicationContext(module, { logger: false });
      await app.get(MQTTdPublisher).publish('a', 'b', { retain: true });
      await app.close();
      console.log('closed');`;

    const ended = await run(process.execPath, '--input-type=module', '--eval', script).finished;

    expect(ended).toEqual({ code: 0, stdout: 'closed\n', stderr: '' });
  });
});
