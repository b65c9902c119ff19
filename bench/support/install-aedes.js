import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** With a lock file of its own: nobody who uses or tests the package needs it. */
export function installAedes() {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  execFileSync(process.execPath, ['scripts/install-folder.js', 'bench'], { cwd: root, stdio: 'inherit' });
}
