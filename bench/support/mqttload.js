import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Program, cores } from './program.js';

const source = fileURLToPath(new URL('../mqttload/mqttload.c', import.meta.url));
const cache = fileURLToPath(new URL('../../node_modules/.cache/nestjs-mqttd-bench', import.meta.url));

/** 50 pairs of a publisher and a subscriber, 64 bytes a message. */
export const loadPairs = (options) => runLoad('pair', { '-n': 50, '-s': 64, '-V': 4, ...options });

/**
 * @param mode and options are those of mqttload (`mqttload/README.md`): `{ '--sub-port': 1884, '--persistent': true }`
 * @returns what it measured; `-m` and `-t` decide how long
 */
export async function runLoad(mode, { pids, ...options }) {
  const given = Object.entries(options).flatMap(([name, value]) => (value === true ? [name] : [name, value]));
  const measured = pids.flatMap((pid) => ['--broker-pid', pid]);
  const program = new Program(cores.load, built(), [mode, '--json', ...given, ...measured]);
  const status = await program.finished;
  // 2 is a result too: a guarantee was broken, and the counters say which.
  if (status !== 0 && status !== 2) throw new Error(`the load generator failed: ${program.rest}`);
  return JSON.parse(program.rest);
}

/** The program, compiled when the source is another one than last time. */
function built() {
  const version = createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 12);
  const program = join(cache, `mqttload-${version}`);
  if (!existsSync(program)) {
    mkdirSync(cache, { recursive: true });
    execFileSync('cc', ['-O2', '-o', program, source], { stdio: 'inherit' });
  }
  return program;
}
