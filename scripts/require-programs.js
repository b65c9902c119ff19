// The tests run these programs against the broker. Installs what is missing where apt may, else says what to install.
import { execSync } from 'node:child_process';

const packages = {
  mosquitto_pub: 'mosquitto-clients',
  mosquitto_sub: 'mosquitto-clients',
  curl: 'curl',
  openssl: 'openssl',
  'redis-server': 'redis-server',
  chromium: 'chromium',
  strace: 'strace',
  prlimit: 'util-linux',
};

if (missing().length > 0) install(missing());
if (missing().length > 0) {
  console.error(`The tests need programs that are not here; install: ${missing().join(' ')}`);
  process.exit(1);
}

function missing() {
  const names = Object.keys(packages).filter((program) => !succeeds(`command -v ${program}`));
  return [...new Set(names.map((program) => packages[program]))];
}

function install(names) {
  const sudo = process.getuid?.() === 0 ? '' : 'sudo -n ';
  if (!succeeds(`command -v apt-get && ${sudo}true`)) return;

  console.log(`Installing ${names.join(' ')} for the tests`);
  const apt = `${sudo}env DEBIAN_FRONTEND=noninteractive apt-get`;
  // The package lists may be missing or stale, as in a fresh container: update, but install even where that fails.
  succeeds(`${apt} update`);
  succeeds(`${apt} install --yes --no-install-recommends ${names.join(' ')}`);
}

function succeeds(command) {
  try {
    execSync(command, { stdio: 'ignore' });
    return true;
  } catch {
    return false; // the exit status is the answer
  }
}
