import { createServer, type AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { codeBlocks } from '../support/markdown.js';
import { Program, programs, type Finished } from '../support/programs.js';
import { testRedis } from '../support/redis.js';
import { builtSample, root } from '../support/samples.js';

const readme = 'sample/05-two-nodes-redis/README.md';
const [, listen, publish, askForAlarm, askHealth, freezeRedis, thawRedis, watch, killNode, openDoor, watchAgain] =
  codeBlocks(readme, 'sh');
const [firstLines, readingAndAlarm, healthy, missed] = codeBlocks(readme, 'text');

describe('sample 05, as its README shows it', () => {
  const application = builtSample('start:nodes');
  const redis = testRedis();
  const run = programs();
  const started: Program[] = [];

  afterEach(async () => {
    // Not SIGKILL: it ends what it has started.
    for (const program of started) program.kill('SIGTERM');
    await Promise.all(started.splice(0).map(({ finished }) => finished));
  });

  const startProgram = (env: NodeJS.ProcessEnv = {}): Program => {
    const ports = { MQTT_PORT: '0', MQTT_PORT_2: '0', HTTP_PORT: '0', HTTP_PORT_2: '0' };
    const given = { ...process.env, REDIS_URL: undefined, NO_COLOR: '1', ...ports, ...env };
    const program = new Program(process.execPath, [application], { cwd: root, env: given });
    started.push(program);
    return program;
  };

  /** Starts the sample on free ports; `typed` makes a command of the README one for what was started. */
  const startSample = async (env?: NodeJS.ProcessEnv) => {
    const program = startProgram(env);
    const told = async (pattern: RegExp): Promise<string> =>
      pattern.exec(await program.lines.find((line) => pattern.test(line)))![1];
    const isWithRedis = env?.REDIS_URL === undefined;
    const standIns = {
      1883: await told(/^node-1 \| .*listening on mqtt:\/\/127\.0\.0\.1:(\d+)/),
      1884: await told(/^node-2 \| .*listening on mqtt:\/\/127\.0\.0\.1:(\d+)/),
      3001: await told(/^node-1 \| .*health on http:\/\/127\.0\.0\.1:(\d+)\/health/),
      3002: await told(/^node-2 \| .*health on http:\/\/127\.0\.0\.1:(\d+)\/health/),
      ...(isWithRedis && { 4711: await told(/^redis {2}\| started, pid (\d+), port \d+$/) }),
      4712: await told(/^node-1 \| started, pid (\d+)$/),
      4713: await told(/^node-2 \| started, pid (\d+)$/),
    };
    // In one go: a free port may have digits in it that stand in the README.
    const shown = new RegExp(`\\b(${Object.keys(standIns).join('|')})\\b`, 'g');
    const typed = (command: string): string =>
      command.trim().replaceAll(shown, (name) => String(standIns[Number(name) as keyof typeof standIns]));
    return { program, standIns, typed };
  };

  const type = (command: string): Promise<Finished> => run('sh', '-c', `exec ${command}`).finished;

  /** Types a command that goes on: mosquitto_sub keeps what it says in a buffer unless told otherwise. */
  const keepTyped = (command: string): Program => run('sh', '-c', `exec stdbuf -oL ${command}`);

  /** Publishes there until it is heard here: a node learns of the other's subscriptions a moment after their SUBACK. */
  const untilHeard = async (subscriber: Program, port: string, topic: string): Promise<void> => {
    while (!subscriber.lines.all.includes(`${topic} heard`)) {
      expect((await type(`mosquitto_pub -p ${port} -t ${topic} -m heard`)).code).toBe(0);
    }
  };

  it('says whose each line is, and with which process ids it starts', async () => {
    const { program } = await startSample();

    const withoutNumbers = (lines: readonly string[]) => lines.map((line) => line.replaceAll(/ \d+/g, ' n'));
    const told = program.lines.all.filter((line) => line.includes('| started, pid'));
    expect(withoutNumbers(told)).toEqual(withoutNumbers(firstLines.trim().split('\n')));
    expect(program.lines.all.filter((line) => !/^(redis |node-1|node-2) \| /.test(line))).toEqual([]);
  });

  it('takes a reading and its alarm from one node to the other, and keeps the alarm on both', async () => {
    const { typed, standIns } = await startSample();
    const subscriber = keepTyped(typed(listen));
    await untilHeard(subscriber, standIns[1884], 'sensors/first');

    expect((await type(typed(publish))).code).toBe(0);

    for (const line of readingAndAlarm.trim().split('\n')) await subscriber.says(`${line}\n`);
    const alarm = readingAndAlarm.trim().split('\n')[1];
    expect((await type(typed(askForAlarm))).stdout).toBe(`${alarm}\n`);
    expect((await type(typed(askForAlarm).replace(standIns[1884], standIns[1883]))).stdout).toBe(`${alarm}\n`);
  });

  it('answers 200 while all is well, 503 while Redis stands still, and 200 again', async () => {
    const { program, typed } = await startSample();
    const health = async () => {
      const [body, status] = (await type(typed(askHealth))).stdout.trim().split('\n');
      return { body: JSON.parse(body) as unknown, status };
    };
    const bothSay = (words: string) =>
      Promise.all(
        ['node-1', 'node-2'].map((name) => program.lines.find((line) => line.startsWith(name) && line.includes(words))),
      );
    const [body, status] = typed(healthy).split('\n');
    const { mqtt } = JSON.parse(body) as { mqtt: object };
    const known = { ...mqtt, node: expect.stringMatching(/^node-1\.[0-9a-f]{8}$/) };
    expect(await health()).toEqual({ body: { mqtt: known }, status });

    await type(typed(freezeRedis));
    await bothSay('Redis is away');
    expect(await health()).toEqual({ body: { mqtt: { ...known, status: 'down', redis: 'away' } }, status: '503' });

    await type(typed(thawRedis));
    await bothSay('Redis is back');
    expect(await health()).toEqual({ body: { mqtt: known }, status });
  }, 30_000);

  it('goes on with one node when the other is killed', async () => {
    const { program, typed, standIns } = await startSample();

    await type(typed(killNode));

    await program.lines.find((line) => line === 'node-1 | ended by SIGKILL');
    const subscriber = keepTyped(typed(listen).replace(standIns[1883], standIns[1884]));
    await untilHeard(subscriber, standIns[1884], 'sensors/first');
    expect((await type(typed(publish))).code).toBe(0);
    for (const line of readingAndAlarm.trim().split('\n')) await subscriber.says(`${line}\n`);
  });

  it('keeps the session of a client whose node was killed, and what it missed', async () => {
    const { program, typed, standIns } = await startSample();
    const watcher = keepTyped(typed(watch));
    await untilHeard(watcher, standIns[1884], 'doors/first');
    await type(typed(killNode));
    await program.lines.find((line) => line === 'node-1 | ended by SIGKILL');
    watcher.kill('SIGINT');
    await watcher.finished;

    expect((await type(typed(openDoor))).code).toBe(0);

    await keepTyped(typed(watchAgain)).says(missed);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('ends both nodes and then Redis with %s, exit code 0', async (signal) => {
    const { program, standIns } = await startSample();
    const processes = [standIns[4711], standIns[4712], standIns[4713]].map(Number);

    program.kill(signal);

    expect((await program.finished).code).toBe(0);
    expect(program.lines.all.slice(-3).sort()).toEqual([
      'node-1 | ended with code 0',
      'node-2 | ended with code 0',
      'redis  | ended by SIGKILL',
    ]);
    expect(program.lines.all.at(-1)).toContain('redis');
    for (const pid of processes) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });

  it('uses the Redis that REDIS_URL names, and leaves it running', async () => {
    const { program } = await startSample({ REDIS_URL: `redis://127.0.0.1:${redis().port}` });

    program.kill('SIGTERM');
    await program.finished;

    expect(program.lines.all.filter((line) => line.startsWith('redis'))).toEqual([]);
    expect(await redis().with((connection) => connection.ping())).toBe('PONG');
  });

  it('says in one line that redis-server is not installed, and exits with 1', async () => {
    const { finished } = startProgram({ PATH: '/nowhere' });

    const stderr = 'redis-server is not installed; install it, or set REDIS_URL\n';
    expect(await finished).toEqual({ code: 1, stdout: '', stderr });
  });

  it('ends with code 1 when a node cannot start, and says why', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const port = (taken.address() as AddressInfo).port;

    const { code, stdout } = await startProgram({ MQTT_PORT_2: String(port) }).finished;

    taken.close();
    expect(code).toBe(1);
    expect(stdout).toContain(`port: ${port} is taken by another process; choose another port or stop it`);
    expect(stdout).toContain('node-2 | ended with code 1\n');
  });
});
