import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll } from '@jest/globals';
import { Program } from './programs.js';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Builds the sample that a script of package.json runs: the library, the sample, at last `node <application>`. What is
 * newer than its sources is left alone: `npm test` has built it, and other tests may be running it.
 * @returns the application's path
 */
export function builtSample(
  script: 'start' | 'start:requests' | 'start:guarded' | 'start:nodes' | 'start:browser',
): string {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const [buildLibrary, buildSample, [, application]] = scripts[script]
    .split('&&')
    .map((step) => step.trim().split(' '));
  beforeAll(() => {
    if (isStale('dist/esm/index.js', 'lib')) build(buildLibrary);
    if (isStale(application, join(dirname(application), '../src'))) build(buildSample);
  }, 120_000);
  return join(root, application);
}

/** Builds the library where that is stale; gives the path of the command `nestjs-mqttd`. */
export function builtCommand(): string {
  beforeAll(() => {
    if (isStale('dist/esm/index.js', 'lib')) build(['npm', 'run', 'build']);
  }, 120_000);
  return join(root, 'dist/esm/cli/main.js');
}

/** Runs the application of such a script on a free port. */
export function runningSample(script: Parameters<typeof builtSample>[0]) {
  const application = builtSample(script);
  let program: Program | undefined;
  return {
    async start(variables: NodeJS.ProcessEnv = {}) {
      const env = { ...process.env, MQTT_PORT: '0', NO_COLOR: '1', ...variables };
      program = new Program(process.execPath, [application], { cwd: root, env });
      const line = await program.lines.find((one) => one.includes('listening on mqtt://'));
      return { port: Number(/:(\d+)$/.exec(line)![1]), lines: program.lines };
    },
    async stop() {
      program?.kill('SIGKILL');
      await program?.finished;
    },
  };
}

function isStale(output: string, sourceFolder: string): boolean {
  if (!existsSync(join(root, output))) return true;
  const sources = readdirSync(join(root, sourceFolder), { recursive: true, encoding: 'utf8' });
  const newest = Math.max(...sources.map((path) => statSync(join(root, sourceFolder, path)).mtimeMs));
  return statSync(join(root, output)).mtimeMs <= newest;
}

function build([command, ...args]: readonly string[]): void {
  execFileSync(command === 'tsc' ? 'node_modules/.bin/tsc' : command, args, { cwd: root, stdio: 'pipe' });
}
