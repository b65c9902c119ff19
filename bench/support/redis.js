import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { promisify } from 'node:util';
import { freePort } from './ports.js';
import { Program, cores } from './program.js';

const run = promisify(execFile);

/** A Redis that keeps nothing on disk. */
export async function startRedis() {
  const port = await freePort();
  const nothingKept = ['--save', '', '--appendonly', 'no', '--dir', tmpdir()];
  const program = new Program(cores.brokers, 'redis-server', ['--port', port, '--bind', '127.0.0.1', ...nothingKept]);
  await program.line(/Ready to accept connections/);
  return { port, pid: program.pid, commands: () => commandsOf(port), stop: () => program.stop() };
}

/** How often each command was called since the server started, by name; without those that asking costs. */
async function commandsOf(port) {
  const { stdout } = await run('redis-cli', ['-p', port, 'info', 'commandstats']);
  const found = stdout.matchAll(/^cmdstat_(?<name>[^:]+):calls=(?<calls>\d+)/gm);
  const calls = new Map([...found].map(({ groups }) => [groups.name, Number(groups.calls)]));
  calls.delete('info');
  return calls;
}

/** What was called between two answers of `commands()`, the most frequent first. */
export function commandsBetween(before, after) {
  const added = [...after].map(([name, calls]) => [name, calls - (before.get(name) ?? 0)]);
  return new Map(added.filter(([, calls]) => calls > 0).sort(([, one], [, other]) => other - one));
}
