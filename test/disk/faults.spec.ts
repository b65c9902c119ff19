import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { PacketType } from '../../lib/protocol/packets.js';
import { builtLib } from '../support/built-lib.js';
import { accepted, openClient } from '../support/nest-app.js';
import { programs, type Program } from '../support/programs.js';

const { PUBACK } = PacketType;

describe('an LmdbStore', () => {
  const built = builtLib();
  const run = programs();
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mqttd-faults-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const source = (durability: string): string => `
    import { Broker } from '${built()}/broker/broker.js';
    import { AllowAllAuth } from '${built()}/auth/allow-all.auth.js';
    import { TcpListener } from '${built()}/listeners/tcp.listener.js';
    import { DirectRouter } from '${built()}/routers/direct.router.js';
    import { LmdbStore } from '${built()}/stores/lmdb.store.js';
    const log = { log: console.log, warn: console.log, error: (...all) => console.log(...all), debug() {} };
    const listener = new TcpListener({ port: 0, host: '127.0.0.1' });
    const store = new LmdbStore({ path: ${JSON.stringify(join(folder, 'store'))}, durability: '${durability}' });
    const broker = new Broker({ listeners: [listener], auth: new AllowAllAuth(), router: new DirectRouter(), store, log });
    await broker.start();
    console.log('port=' + listener.port + ' pid=' + process.pid + ' ready');`;

  /** A broker as a process of its own. */
  const launch = async (
    durability: 'commit' | 'fsync',
    ...wrapper: string[]
  ): Promise<{ program: Program; port: number; pid: number }> => {
    const [command, ...args] = [...wrapper, process.execPath, '--input-type=module', '--eval', source(durability)];
    const program = run(command, ...args);
    const line = await program.lines.find((one) => one.endsWith(' ready'));
    const { port, pid } = /^port=(?<port>\d+) pid=(?<pid>\d+) /.exec(line)!.groups!;
    return { program, port: Number(port), pid: Number(pid) };
  };

  const fillDisk = async (durability: 'commit' | 'fsync'): Promise<void> => {
    const { program, port, pid } = await launch(durability);
    const client = async (clientId: string) =>
      accepted(await openClient(port), { clientId, cleanStart: false, properties: { sessionExpiryInterval: 3600 } });
    const away = await client('away');
    await away.subscribe('a', { qos: 1 });
    away.disconnect();
    await away.expectClosed();
    const witness = await accepted(await openClient(port));
    await witness.subscribe('#', { qos: 0 });
    const payload = 'x'.repeat(50_000);
    const publisher = await client('publisher');
    publisher.publish('a', { qos: 1, payload: 'kept' });
    await publisher.expect({ type: PUBACK });
    await witness.expectPublish('a', 'kept');

    // The file may not become any larger: as on a disk that is full.
    const limit = (bytes: string) => execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}`]);
    limit('200000:unlimited');
    let refused = 0;
    for (let number = 0; number < 12; number++) {
      const one = await accepted(await openClient(port));
      one.publish('a', { qos: 1, payload: `${number} ${payload}` });
      const [packet] = await Promise.all([one.next().catch(() => undefined), witness.next()]);
      if (packet === undefined) refused++;
      else expect(packet).toMatchObject({ type: PUBACK });
    }
    expect(refused).toBeGreaterThan(5);
    // QoS 0 goes on, and so do clients that nothing has to be kept of.
    const other = await accepted(await openClient(port));
    other.publish('b', { payload: 'at most once' });
    await witness.expectPublish('b', 'at most once');
    await other.expectNothing();

    limit('unlimited:unlimited');
    const again = await accepted(await openClient(port));
    again.publish('a', { qos: 1, payload: 'after' });
    await again.expect({ type: PUBACK });
    expect(program.lines.all.join('\n')).toContain('the store cannot write');

    // All that was acknowledged is there after a kill, what was not may be.
    program.kill('SIGKILL');
    await program.finished;
    const next = await launch(durability);
    const back = await accepted(await openClient(next.port), { clientId: 'away', cleanStart: false });
    const heard: string[] = [];
    while (heard.at(-1) !== 'after') {
      const publish = (await back.next(PacketType.PUBLISH)) as { packetId: number; payload: Buffer };
      heard.push(publish.payload.toString().split(' ')[0]);
      back.acknowledge(PUBACK, publish.packetId);
    }
    expect(heard[0]).toBe('kept');
  };
  it.each(['commit', 'fsync'] as const)(
    '[A48] on a full disk acknowledges nothing that it cannot keep, serves QoS 0, and recovers by itself (%s)',
    fillDisk,
  );

  it('on the disk itself sends no acknowledgement before the file is synchronized', async () => {
    const trace = join(folder, 'trace');
    const { program, port, pid } = await launch(
      'fsync',
      'strace',
      '-f',
      '-y',
      '-o',
      trace,
      '-e',
      'trace=write,writev,sendto,sendmsg,pwrite64,fsync,fdatasync,pwritev',
    );
    const session = { clientId: 'sub', cleanStart: false, properties: { sessionExpiryInterval: 3600 } };
    const subscriber = await accepted(await openClient(port), session);
    await subscriber.subscribe('a', { qos: 1 });
    subscriber.disconnect();
    await subscriber.expectClosed();
    const publisher = await accepted(await openClient(port));
    for (let number = 0; number < 20; number++) {
      publisher.publish('a', { qos: 1, payload: String(number) });
      await publisher.expect({ type: PUBACK });
    }
    // The traced program: who traces it ends with it.
    process.kill(pid, 'SIGKILL');
    await program.finished;

    // Between two acknowledgements: the data is written and synchronized, then the page that makes it count.
    const calls = readFileSync(trace, 'utf8').split('\n');
    const isPuback = (line: string) => /"@\\[24]\\0\\/.test(line) || /"@\\3\\0/.test(line);
    const pubacks = calls.flatMap((line, index) => (isPuback(line) ? index : []));
    expect(pubacks.length).toBeGreaterThanOrEqual(20);
    for (const [number, at] of pubacks.entries()) {
      const between = calls.slice(number === 0 ? 0 : pubacks[number - 1], at);
      const synced = between.findLastIndex((line) =>
        /f(data)?sync\(\d+<[^>]*data\.mdb>|f(data)?sync resumed/.test(line),
      );
      const written = between.findIndex((line) => /pwrite(64|v)\(\d+<[^>]*data\.mdb>/.test(line));
      expect(written).toBeGreaterThanOrEqual(0);
      expect(synced).toBeGreaterThan(written);
    }
  });
});
