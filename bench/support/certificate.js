import { execFileSync } from 'node:child_process';
import { chmodSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { withFolder } from './folder.js';

/** A key and a certificate for a server, signed by nobody but itself: in files, and as texts. */
export const withCertificate = (use) =>
  withFolder((folder) => {
    const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    const files = ['-keyout', keyFile, '-out', certFile];
    execFileSync('openssl', ['req', '-x509', ...curve, ...files, '-subj', '/CN=localhost', '-days', '2'], {
      stdio: 'pipe',
    });
    // Some brokers read them as somebody else than who started them.
    chmodSync(folder, 0o755);
    chmodSync(keyFile, 0o644);
    return use({ keyFile, certFile, key: readFileSync(keyFile, 'utf8'), cert: readFileSync(certFile, 'utf8') });
  });
