import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll } from '@jest/globals';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** lib/ as JavaScript for processes of their own, in a folder from which its packages are found; built once for a file. */
export function builtLib(...options: readonly string[]): () => string {
  let folder = '';
  beforeAll(() => {
    const cache = join(root, 'node_modules/.cache');
    mkdirSync(cache, { recursive: true });
    folder = mkdtempSync(join(cache, 'mqttd-lib-'));
    const tsc = ['node_modules/typescript/bin/tsc', '--project', 'tsconfig.build.json', '--outDir', folder, ...options];
    execFileSync(process.execPath, tsc, { cwd: root, stdio: 'pipe' });
    const type = options.includes('commonjs') ? 'commonjs' : 'module';
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ type }));
  }, 60_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return () => folder;
}
