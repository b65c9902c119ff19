import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A key and a certificate for a server, signed by nobody but itself: in files, and as texts. */
export function withCertificate(use) {
  const folder = mkdtempSync(join(tmpdir(), 'mqttd-bench-'));
  const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const made = ['req', '-x509', ...curve, '-keyout', keyFile, '-out', certFile, '-subj', '/CN=localhost', '-days', '2'];
  execFileSync('openssl', made, { stdio: 'pipe' });
  // Some brokers read them as somebody else than who started them.
  chmodSync(folder, 0o755);
  chmodSync(keyFile, 0o644);
  return use({ keyFile, certFile, key: readFileSync(keyFile, 'utf8'), cert: readFileSync(certFile, 'utf8') }).finally(
    () => rmSync(folder, { recursive: true }),
  );
}
