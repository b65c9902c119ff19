import { readFileSync } from 'node:fs';
import { createSecureContext, type TlsOptions } from 'node:tls';
import { Listener } from './broker/listener.js';
import { TcpListener } from './listeners/tcp.listener.js';
import { invalidOption, MQTTdUsageError } from './mqttd.errors.js';
import { isObject, shown, type MQTTdAddress, type MQTTdOptions, type MQTTdTlsOptions } from './mqttd.options.js';

/** Whether nobody is asked for a name, so that only this machine may connect. */
export const isLoopbackOnly = ({ auth, allowAnonymous }: MQTTdOptions): boolean => !auth && !allowAnonymous;

/**
 * The listeners that the options ask for, safe by default: who lets everybody in listens to this machine only.
 * @throws MQTTdUsageError
 */
export function makeListeners(options: MQTTdOptions): Listener[] {
  if (!options.listeners) return [makeListener(options, options.tls, '', options)];
  return options.listeners.map((entry, index) => {
    const path = `listeners[${index}]`;
    if (entry instanceof Listener) {
      if (options.auth || options.allowAnonymous) return entry;
      throw new MQTTdUsageError(
        'OPEN_TO_THE_NETWORK',
        `${path}: ${entry.name} may be reachable from the network; set auth, or allowAnonymous: true if that is meant`,
      );
    }
    if (isObject(entry)) {
      if ('tls' in entry) return makeListener(entry.tls, entry.tls, `${path}.tls`, options);
      if ('tcp' in entry) {
        checkAddress(entry.tcp, `${path}.tcp`);
        return makeListener(entry.tcp, undefined, `${path}.tcp`, options);
      }
    }
    // Only the names: a key that was put into the wrong place must not reach a log.
    const found = isObject(entry) ? `has ${Object.keys(entry).join(', ')}` : shown(entry);
    throw invalidOption(`${path}: ${found}; use { tcp: { port } }, { tls: { port, key, cert } } or a Listener`);
  });
}

function checkAddress(address: MQTTdAddress, path: string): void {
  if (!isObject(address)) return;
  const unknown = Object.keys(address).find((name) => name !== 'port' && name !== 'host');
  if (unknown !== undefined)
    throw invalidOption(`${path}.${unknown}: there is no such option; the options are port, host`);
}

function makeListener(
  address: MQTTdAddress,
  tls: MQTTdTlsOptions | undefined,
  path: string,
  options: MQTTdOptions,
): Listener {
  if (!isObject(address)) throw invalidOption(`${path}: ${shown(address)}; use { port, host }`);
  const prefix = path === '' ? '' : `${path}.`;
  const port = address.port ?? (tls ? 8883 : 1883);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw invalidOption(`${prefix}port: ${shown(port)}; use a whole number from 0 to 65535`);
  }
  const host = safeHost(address.host, `${prefix}host`, options);
  return new TcpListener({ port, host, optionPath: path, tls: tls && readTls(tls, path === '' ? 'tls' : path) });
}

function safeHost(host: string | undefined, path: string, options: MQTTdOptions): string | undefined {
  if (options.auth || options.allowAnonymous) return host;
  if (host === undefined) return '127.0.0.1';
  if (/^(localhost|127\.\d+\.\d+\.\d+|::1)$/.test(host)) return host;
  throw new MQTTdUsageError(
    'OPEN_TO_THE_NETWORK',
    `${path}: '${host}' would let everybody on the network in; set auth, or allowAnonymous: true if that is meant, ` +
      'or leave host out to listen on 127.0.0.1',
  );
}

function readTls(tls: MQTTdTlsOptions, path: string): TlsOptions {
  const { key, cert, ca, ...rest } = tls;
  if (!tls.pfx && !tls.SNICallback && (key === undefined || cert === undefined)) {
    throw new MQTTdUsageError(
      'INVALID_CERTIFICATE',
      `${path}.${key === undefined ? 'key' : 'cert'}: is missing; give a PEM text or the path of a PEM file`,
    );
  }
  const authorities = ca === undefined || typeof ca === 'string' || Buffer.isBuffer(ca) ? ca : [...ca];
  const read: TlsOptions = {
    ...rest,
    key: readPem(key, `${path}.key`),
    cert: readPem(cert, `${path}.cert`),
    ca: Array.isArray(authorities)
      ? authorities.map((one, index) => readPem(one, `${path}.ca[${index}]`)!)
      : readPem(authorities, `${path}.ca`),
  };
  try {
    createSecureContext(read);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new MQTTdUsageError(
      'INVALID_CERTIFICATE',
      `${path}: key, cert or ca cannot be used (${reason}); check that they are PEM and that the key belongs to the cert`,
      { cause: error },
    );
  }
  return read;
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
