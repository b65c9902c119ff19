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
  const openssl = (...args: (string | readonly string[])[]) =>
    execFileSync('openssl', args.flat(), { cwd: work, stdio: 'pipe' });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const named = (name: string, commonName: string) => ['-keyout', `${name}.key`, '-subj', `/CN=${commonName}`];
  const output = (name: string) => ['-days', '3650', '-out', `${name}.cert`];
  const authority = (name: string) => ['-CA', `${name}.cert`, '-CAkey', `${name}.key`];
  const selfSigned = (name: string, commonName: string) =>
    openssl('req', '-x509', newKey, named(name, commonName), output(name));
  const signed = (name: string, commonName: string, ...extensions: string[]) => {
    const added = extensions.flatMap((extension) => ['-addext', extension]);
    openssl('req', '-x509', newKey, named(name, commonName), output(name), authority('ca'), added);
  };
  const signedFor = (name: string, commonName: string, by: string, days: number) => {
    openssl('req', '-new', newKey, named(name, commonName), '-out', `${name}.csr`);
    openssl('x509', '-req', '-in', `${name}.csr`, authority(by), '-days', String(days), '-out', `${name}.cert`);
  };
  selfSigned('ca', 'test authority');
  signed('server', 'localhost', 'subjectAltName=DNS:localhost,IP:127.0.0.1', 'basicConstraints=critical,CA:FALSE');
  signed('client', 'device-7', 'basicConstraints=critical,CA:FALSE');
  selfSigned('stranger', 'stranger');
  signedFor('foreign', 'device-7', 'stranger', 30);
  signedFor('expired', 'device-7', 'ca', -1);
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
