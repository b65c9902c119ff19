import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { ServerTlsOptions } from './listeners/server-certificates.js';
import { MQTTdUsageError } from './mqttd.errors.js';
import type { MQTTdTlsOptions } from './mqttd.options.js';
import { reasonOf } from './mqttd.outcomes.js';

/**
 * Reads the files that options of TLS name, and checks that what is in them can be used.
 * @param path of the options, for errors
 * @throws MQTTdUsageError
 */
export function readTls(tls: MQTTdTlsOptions, path: string): ServerTlsOptions {
  const { key, cert, ca, servers, ...rest } = tls;
  if (!tls.pfx && !tls.SNICallback && (key === undefined || cert === undefined)) throw missingPem(key, path);
  const authorities = ca === undefined || typeof ca === 'string' || Buffer.isBuffer(ca) ? ca : [...ca];
  const read: ServerTlsOptions = {
    ...rest,
    ...readPair({ key, cert }, path),
    ca: Array.isArray(authorities)
      ? authorities.map((one, index) => readPem(one, `${path}.ca[${index}]`)!)
      : readPem(authorities, `${path}.ca`),
    servers: Object.fromEntries(
      Object.entries(servers ?? {}).map(([name, pair]) => {
        const place = `${path}.servers[${JSON.stringify(name)}]`;
        if (pair?.key === undefined || pair.cert === undefined) throw missingPem(pair?.key, place);
        const own = readPair(pair, place);
        checkSecureContext(own, place);
        return [name, own];
      }),
    ),
  };
  checkSecureContext(read, path);
  return read;
}

const readPair = ({ key, cert }: Pick<MQTTdTlsOptions, 'key' | 'cert'>, path: string) => ({
  key: readPem(key, `${path}.key`),
  cert: readPem(cert, `${path}.cert`),
});

const missingPem = (key: unknown, path: string): MQTTdUsageError =>
  new MQTTdUsageError(
    'INVALID_CERTIFICATE',
    `${path}.${key === undefined ? 'key' : 'cert'}: is missing; give a PEM text or the path of a PEM file`,
  );

function checkSecureContext(read: ServerTlsOptions, path: string): void {
  try {
    createSecureContext(read);
  } catch (error) {
    throw new MQTTdUsageError(
      'INVALID_CERTIFICATE',
      `${path}: key, cert or ca cannot be used (${reasonOf(error)}); check that they are PEM and that the key belongs to the cert`,
      { cause: error },
    );
  }
}

function readPem(value: string | Buffer | undefined, path: string): string | Buffer | undefined {
  if (value === undefined || typeof value !== 'string' || value.includes('-----BEGIN')) return value;
  try {
    return readFileSync(value);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new MQTTdUsageError(
      'INVALID_CERTIFICATE',
      `${path}: cannot read '${value}' (${code}); give the path of a readable PEM file, or its text`,
      { cause: error },
    );
  }
}
