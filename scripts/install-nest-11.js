// Installs test/nest-11 when it is missing or its lock file has changed since.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync } from 'node:fs';

const lock = 'test/nest-11/package-lock.json';
const installed = 'test/nest-11/node_modules/.installed-package-lock.json';

if (!existsSync(installed) || !readFileSync(installed).equals(readFileSync(lock))) {
  const { status } = spawnSync('npm ci --prefix test/nest-11', { stdio: 'inherit', shell: true });
  if (status !== 0) process.exit(1);
  copyFileSync(lock, installed);
}
