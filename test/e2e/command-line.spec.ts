import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { hashPassword } from 'nestjs-mqttd';
import { brokerOptions } from '../../lib/cli/broker-options.js';
import { CommandLineError, readCommandLine } from '../../lib/cli/command-line.js';
import { version } from '../../lib/mqttd.version.js';
import { certificates } from '../support/certificates.js';
import { until } from '../support/cluster.js';
import { mqttJs } from '../support/mqttjs.js';
import { openClient } from '../support/nest-app.js';
import { Program, programs } from '../support/programs.js';
import { testRedis } from '../support/redis.js';
import { builtCommand } from '../support/samples.js';

const { ca, server, client: device, stranger } = certificates();

describe('the command nestjs-mqttd', () => {
  const command = builtCommand();
  const run = programs();
  const connect = mqttJs();
  const redis = testRedis();
  const running: Program[] = [];
  let folder: string;
  const inFolder = (name: string) => join(folder, name);

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mqttd-command-'));
  });
  afterEach(async () => {
    for (const program of running.splice(0)) {
      program.kill('SIGKILL');
      await program.finished;
    }
    rmSync(folder, { recursive: true, force: true });
  });

  const launch = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Program => {
    const program = new Program(process.execPath, [command, ...args], {
      env: { ...process.env, NO_COLOR: '1', ...env },
    });
    running.push(program);
    return program;
  };

  /** Runs it on a free port until the test is over. */
  const start = async (args: readonly string[], env?: NodeJS.ProcessEnv) => {
    const program = launch(['--port', '0', ...args], env);
    const portAt = async (scheme: string) => {
      const line = await program.lines.find((one) => one.includes(`listening on ${scheme}://`));
      return Number(/:(\d+)(?:\/mqtt)?$/.exec(line)![1]);
    };
    return { program, port: await portAt('mqtt'), portAt };
  };

  const finished = async (args: readonly string[], env?: NodeJS.ProcessEnv, input?: string) => {
    const options = { env: { ...process.env, ...env }, ...(input !== undefined && { input }) };
    return new Program(process.execPath, [command, ...args], options).finished;
  };

  it('serves mosquitto clients on this machine, and ends with 0 on SIGTERM, when they were told', async () => {
    const { program, port } = await start([]);
    const client = await openClient(port);
    await client.connect();
    const subscriber = run('stdbuf', '-oL', 'mosquitto_sub', '-p', port, '-t', 'a', '-C', 1, '-d');
    await subscriber.says('Subscribed');
    expect((await run('mosquitto_pub', '-p', port, '-t', 'a', '-m', 'hello').finished).code).toBe(0);
    expect((await subscriber.finished).stdout).toContain('hello');

    program.kill('SIGTERM');

    await client.expectDisconnect(0x8b);
    expect((await program.finished).code).toBe(0);
  });

  it('says its version, and what it can do', async () => {
    expect(await finished(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n` });
    const { code, stdout } = await finished(['--help']);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^Usage: nestjs-mqttd [\s\S]+ --password-file FILE /)]);
  });

  it.each<[string[], string]>([
    [['--nonsense'], "Unknown option '--nonsense'"],
    [['argument'], "Unexpected argument 'argument'"],
    [['--port'], "Option '--port <value>' argument missing"],
    [['--port', '70000'], '--port: "70000" is not a port; use a number from 0 to 65535'],
    [['--ws-port', 'x'], '--ws-port: "x" is not a port'],
    [['--host='], '--host: has no value'],
    [['--tls-port', '0'], '--tls-port: means nothing without --key'],
    [['--key', 'x'], '--key: means nothing without --tls-port or --ws-port'],
    [['--ws-port', '0', '--key', 'x'], '--key: means nothing without --cert'],
    [['--ca', 'x'], '--ca: means nothing without --tls-port'],
    [['--logdir', 'x'], '--logdir: means nothing without --config'],
    [['--ipv4', '--ipv6'], '--ipv4: cannot stand beside --ipv6; leave one of them out'],
    [['--ipv6', '--host', 'x'], '--ipv6: cannot stand beside --host'],
    [['--password-file', '/nowhere', '--allow-anonymous'], '--allow-anonymous: cannot stand beside --password-file'],
    [['--password-file', '/nowhere'], '--password-file: ENOENT'],
  ])('is told what is wrong with %j', (args, message) => {
    expect(() => brokerOptions(readCommandLine(args, {}))).toThrow(CommandLineError);
    expect(() => brokerOptions(readCommandLine(args, {}))).toThrow(message);
  });

  it('says what is wrong on standard error, and ends with 2', async () => {
    const { code, stderr, stdout } = await finished(['--nonsense']);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toBe("nestjs-mqttd: Unknown option '--nonsense'\nTry nestjs-mqttd --help.\n");
    expect(await finished(['--hash-password'], {}, '')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--hash-password: there is no password on standard input'),
    });
  });

  it.each<[string, string]>([
    ['', 'has no users; add a line NAME:HASH'],
    ['# nobody\n\n', 'has no users'],
    ['ann\n', 'line 1: is not NAME:HASH'],
    ['\nann:secret\n', 'line 2: the hash of "ann" is none; make one with --hash-password'],
  ])('[A26] does not start with users %j', (text, message) => {
    writeFileSync(inFolder('users'), text);
    const begin = () => brokerOptions(readCommandLine(['--password-file', inFolder('users')], {}));
    expect(begin).toThrow(message);
    expect(begin).not.toThrow('secret');
  });

  it.each<[string[], string]>([
    [['--host', '0.0.0.0'], "'0.0.0.0' would let everybody on the network in"],
    [['--tls-port', '0', '--key', '/nowhere', '--cert', '/nowhere'], "listeners[1].tls.key: cannot read '/nowhere'"],
    [['--redis', 'redis://127.0.0.1:1'], 'Redis'],
    [['--logfile', '/nowhere/at/all'], '/nowhere/at/all'],
  ])('[A47] ends with 1 where it cannot start: %j', async (args, message) => {
    const { code, stderr } = await finished(['--port', '0', ...args]);
    expect([code, stderr]).toEqual([1, expect.stringContaining(message)]);
  });

  it('[A47] ends with 1 where its port is taken', async () => {
    const { port } = await start([]);
    const { code, stderr } = await finished(['--port', String(port)]);
    expect([code, stderr]).toEqual([1, expect.stringContaining(`${port} is taken by another process`)]);
  });

  it('writes its process id and its port, and removes both at the end', async () => {
    const { program, port } = await start(['--pidfile', inFolder('pid'), '--portfile', inFolder('port')]);
    await until(() => existsSync(inFolder('port')));

    expect(readFileSync(inFolder('port'), 'utf8')).toBe(`${port}\n`);
    expect(readFileSync(inFolder('pid'), 'utf8')).toMatch(/^\d+\n$/);
    process.kill(Number(readFileSync(inFolder('pid'), 'utf8')), 'SIGTERM');

    expect((await program.finished).code).toBe(0);
    expect([existsSync(inFolder('pid')), existsSync(inFolder('port'))]).toEqual([false, false]);
  });

  it('takes its options from the environment too, where no argument says otherwise', async () => {
    const env = { MQTTD_WS_PORT: '0', MQTTD_PORT: '1', MQTTD_ALLOW_ANONYMOUS: 'yes', MQTTD_HOST: '127.0.0.1' };
    const { portAt } = await start([], env);
    const { client } = await connect(await portAt('ws'), { protocol: 'ws', path: '/mqtt' });
    await client.publishAsync('a', 'x', { qos: 1 });
    expect(readCommandLine(['--port', '2'], { MQTTD_PORT: '1', MQTTD_ALLOW_ANONYMOUS: 'off' })).toEqual({ port: '2' });
    expect(() => readCommandLine([], { MQTTD_ALLOW_ANONYMOUS: 'perhaps' })).toThrow(
      'MQTTD_ALLOW_ANONYMOUS: "perhaps"; use true or false',
    );
  });

  it('lets in the users of a file, reads it again on SIGHUP, and keeps what it had when that cannot be used', async () => {
    const file = inFolder('users');
    const ann = `ann:${await hashPassword('a')}`;
    const { stdout: hashed } = await finished(['--hash-password'], {}, 'b\n');
    writeFileSync(file, `${ann}\nbob:${hashed}`);
    const { program, port } = await start(['--password-file', file, '--host', '127.0.0.1']);
    const told = async (username: string, password: string) => {
      const client = await openClient(port);
      const { reasonCode } = await client.connect({ username, password: Buffer.from(password) });
      return { reasonCode, client };
    };
    const { reasonCode, client } = await told('ann', 'a');
    expect([reasonCode, (await told('bob', 'b')).reasonCode, (await told('bob', 'a')).reasonCode]).toEqual([
      0, 0, 0x86,
    ]);

    writeFileSync(file, 'nonsense');
    program.kill('SIGHUP');
    await program.says('users not read again, all stays as it was');
    expect((await told('ann', 'a')).reasonCode).toBe(0);

    writeFileSync(file, `bob:${hashed}carl:${await hashPassword('c')}\n`);
    program.kill('SIGHUP');
    await program.says('users read again');
    await client.expectDisconnect(0x87);
    expect([(await told('ann', 'a')).reasonCode, (await told('carl', 'c')).reasonCode]).toEqual([0x86, 0]);
  });

  it('[A20] speaks TLS, knows clients by certificates, and reads its own again on SIGHUP', async () => {
    const [key, cert] = [inFolder('key'), inFolder('cert')];
    const install = (pair: { key: string; cert: string }) => {
      writeFileSync(key, pair.key);
      writeFileSync(cert, pair.cert);
    };
    install(server);
    const { program, portAt } = await start(['--tls-port', '0', '--key', key, '--cert', cert, '--ca', ca.certFile]);
    const port = await portAt('mqtts');
    const own = ['--cafile', ca.certFile, '--cert', device.certFile, '--key', device.keyFile];
    const published = async (...args: string[]) =>
      (await run('mosquitto_pub', '-h', 'localhost', '-p', port, '-t', 'a', '-m', 'x', '-q', 1, ...args).finished).code;
    expect([await published(...own), await published('--cafile', ca.certFile)]).toEqual([0, expect.any(Number)]);

    install(stranger);
    program.kill('SIGHUP');
    await program.says('certificates read again');

    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    expect(socket.getPeerCertificate().subject.CN).toBe('stranger');
    socket.destroy();
  });

  it('writes its log to a file, and to a new one when that was moved away', async () => {
    const file = inFolder('log');
    const program = launch(['--port', '0', '--logfile', file]);
    await until(() => existsSync(file) && readFileSync(file, 'utf8').includes('listening on mqtt://'));
    expect(readFileSync(file, 'utf8')).toMatch(
      /^\d{4}-\d\d-\d\dT[\d:.]+Z LOG \[MQTTd\] listening on mqtt:\/\/127\.0\.0\.1:\d+$/m,
    );

    renameSync(file, inFolder('log.1'));
    program.kill('SIGHUP');
    await until(() => existsSync(file) && readFileSync(file, 'utf8').includes('log file read again'));
    program.kill('SIGTERM');
    expect(await program.finished).toMatchObject({ code: 0, stdout: '' });
  });

  it('is one of several nodes around a Redis', async () => {
    const url = `redis://127.0.0.1:${redis().port}`;
    const [one, other] = [await start(['--redis', url]), await start(['--redis', url])];
    const { client, next } = await connect(one.port);
    await client.subscribeAsync('a', { qos: 1 });
    const publisher = await connect(other.port);
    // Until the other node knows of the subscription.
    const timer = setInterval(() => publisher.client.publish('a', 'from the other node', { qos: 1 }), 20);
    expect(await next()).toBe('a: from the other node');
    clearInterval(timer);
  });

  it('misbehaves as a configuration file of curl’s test server says', async () => {
    const [config, logs] = [inFolder('mqttd.config'), inFolder('')];
    writeFileSync(config, 'short-PUBLISH\nTestnum 7\n');
    writeFileSync(inFolder('test7'), '<reply>\n<data>\nhello\n</data>\n</reply>\n');
    const { port } = await start(['--config', config, '--logdir', logs, '--ipv4']);
    const { code, stdout } = await run('curl', '-sN', `mqtt://127.0.0.1:${port}/1`).finished;
    expect([code, stdout]).toEqual([18, '\0\x011hell']);
  });
});
