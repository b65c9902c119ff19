import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface KeyPair {
  readonly key: string;
  readonly cert: string;
  /** Files that hold them in PEM. */
  readonly keyFile: string;
  readonly certFile: string;
}

export interface Certificates {
  readonly ca: KeyPair;
  /** For `localhost` and 127.0.0.1, signed by `ca`. */
  readonly server: KeyPair;
  /** Common name `device-7`, signed by `ca`. */
  readonly client: KeyPair;
  /** Common name `stranger`, signed by nobody but itself. */
  readonly stranger: KeyPair;
  /** Common name `device-7`, signed by `stranger`. */
  readonly foreign: KeyPair;
  /** Common name `device-7`, signed by `ca`, and valid until yesterday. */
  readonly expired: KeyPair;
}

const directory = join(tmpdir(), `nestjs-mqttd-test-certificates-${process.getuid?.() ?? 0}-v2`);

/** Certificates for the tests, made by openssl once and kept in the temporary directory. */
export function certificates(): Certificates {
  if (!existsSync(directory)) make();
  return {
    ca: read('ca'),
    server: read('server'),
    client: read('client'),
    stranger: read('stranger'),
    foreign: read('foreign'),
    expired: read('expired'),
  };
}

function make(): void {
  mkdirSync(tmpdir(), { recursive: true });
  const work = mkdtempSync(join(tmpdir(), 'nestjs-mqttd-certificates-'));
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: work, stdio: 'pipe' });
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '3650'];
  const selfSigned = (name: string, commonName: string) =>
    openssl('req', '-x509', ...ec, '-keyout', `${name}.key`, '-out', `${name}.cert`, '-subj', `/CN=${commonName}`);
  const signed = (name: string, commonName: string, ...extensions: string[]) =>
    openssl(
      ...['req', '-x509', ...ec, '-keyout', `${name}.key`, '-out', `${name}.cert`, '-subj', `/CN=${commonName}`],
      ...['-CA', 'ca.cert', '-CAkey', 'ca.key', ...extensions.flatMap((extension) => ['-addext', extension])],
    );
  const signedLater = (name: string, commonName: string, authority: string, days: number) => {
    openssl(
      'req',
      '-new',
      ...ec.slice(0, 5),
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
      '-subj',
      `/CN=${commonName}`,
    );
    const signing = ['-CA', `${authority}.cert`, '-CAkey', `${authority}.key`, '-days', String(days)];
    openssl('x509', '-req', '-in', `${name}.csr`, ...signing, '-out', `${name}.cert`);
  };
  selfSigned('ca', 'test authority');
  signed('server', 'localhost', 'subjectAltName=DNS:localhost,IP:127.0.0.1', 'basicConstraints=critical,CA:FALSE');
  signed('client', 'device-7', 'basicConstraints=critical,CA:FALSE');
  selfSigned('stranger', 'stranger');
  signedLater('foreign', 'device-7', 'stranger', 30);
  signedLater('expired', 'device-7', 'ca', -1);
  try {
    renameSync(work, directory);
  } catch (error) {
    // Another test process was faster.
    if (!existsSync(directory)) throw error;
  }
}

function read(name: string): KeyPair {
  const keyFile = join(directory, `${name}.key`);
  const certFile = join(directory, `${name}.cert`);
  return { keyFile, certFile, key: readFileSync(keyFile, 'utf8'), cert: readFileSync(certFile, 'utf8') };
}
