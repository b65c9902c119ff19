// Builds the package twice, as ES modules and as CommonJS: an application on Nest 11 may be either.
import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';

rmSync('dist', { recursive: true, force: true });
compile('--outDir', 'dist/esm');
compile('--outDir', 'dist/cjs', '--module', 'commonjs', '--moduleResolution', 'bundler');
writeFileSync('dist/cjs/package.json', '{"type":"commonjs"}\n');

function compile(...options) {
  const tsc = ['node_modules/typescript/bin/tsc', '--project', 'tsconfig.build.json', ...options];
  const { status } = spawnSync(process.execPath, tsc, { stdio: 'inherit' });
  if (status !== 0) process.exit(1);
}
