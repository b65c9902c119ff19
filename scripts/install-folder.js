// `node scripts/install-folder.js test/nest-11`: installs a folder with a lock file of its own, when what it names is
// missing or the lock file has changed since.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync } from 'node:fs';

const folder = process.argv[2];
const lock = `${folder}/package-lock.json`;
const installed = `${folder}/node_modules/.installed-package-lock.json`;

if (!existsSync(installed) || !readFileSync(installed).equals(readFileSync(lock))) {
  const { status } = spawnSync(`npm ci --prefix ${folder}`, { stdio: 'inherit', shell: true });
  if (status !== 0) process.exit(1);
  copyFileSync(lock, installed);
}
