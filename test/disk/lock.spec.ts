import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { builtLib } from '../support/built-lib.js';
import { programs, type Program } from '../support/programs.js';

/** A process that is number 1 of a space of its own, as in a container. */
const isolated = ['unshare', '--user', '--map-root-user', '--pid', '--fork', '--kill-child'];

function canIsolate(): boolean {
  try {
    execFileSync(isolated[0], [...isolated.slice(1), 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false; // another system, or one that does not permit it
  }
}

describe('the folder of an LmdbStore', () => {
  const built = builtLib();
  const run = programs();
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mqttd-lock-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** A process that opens it, says how that went, and then stays. */
  const launch = async (wrapper: readonly string[]): Promise<{ program: Program; said: string }> => {
    const source = `
      import { DiskFile } from '${built()}/disk/disk-file.js';
      const outcome = await DiskFile.open('store', false).then(() => 'opened', (error) => error.message);
      console.log('process ' + process.pid + ': ' + outcome);
      if (outcome === 'opened') setInterval(() => {}, 1000);`;
    const [command, ...args] = ['env', '-C', folder, ...wrapper, process.execPath, '--input-type=module', '-e', source];
    const program = run(command, ...args);
    return { program, said: await program.lines.find((line) => line.startsWith('process ')) };
  };

  const isOneOfMany = async (wrapper: readonly string[]): Promise<void> => {
    const first = await launch(wrapper);
    const number = /\d+/.exec(first.said)![0];
    expect(first.said).toBe(`process ${number}: opened`);
    if (wrapper === isolated) expect(number).toBe('1');

    const second = await launch(wrapper);
    expect(second.said).toContain(
      `store.path: 'store' is in use by process ${number} on ${hostname()} (owner.mdb); stop that, or name another folder`,
    );

    first.program.kill('SIGKILL');
    await first.program.finished;
    expect((await launch(wrapper)).said).toMatch(/: opened$/);
  };

  it('is that of one of many processes, until that ends in any way', () => isOneOfMany([]));

  const itWhereIsolated = canIsolate() ? it : it.skip;
  itWhereIsolated('is that of one of many containers (where `unshare` may make some)', () => isOneOfMany(isolated));

  it('is not that of several that come at once', async () => {
    const all = await Promise.all(Array.from({ length: 4 }, () => launch([])));
    const opened = all.filter(({ said }) => said.endsWith(': opened'));
    expect(opened.length).toBeLessThanOrEqual(1);
    for (const { said } of all) expect(said).toMatch(/: opened$| is in use by /);
  });
});
