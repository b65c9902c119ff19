import { readFileSync } from 'node:fs';
import { createSecureContext, type TlsOptions } from 'node:tls';
import type { ModuleRef } from '@nestjs/core';
import { Listener } from './broker/listener.js';
import { TcpListener } from './listeners/tcp.listener.js';
import { invalidOption, MQTTdUsageError } from './mqttd.errors.js';
import {
  checkLimits,
  isObject,
  shown,
  type MQTTdAddress,
  type MQTTdEntranceOptions,
  type MQTTdListenerOptions,
  type MQTTdOptions,
  type MQTTdTlsOptions,
} from './mqttd.options.js';
import { makeAuth } from './mqttd.parts.js';
import { isTopicName } from './topics/topic-names.js';

/** Whether nobody is asked for a name, so that only this machine may connect. */
export const isLoopbackOnly = ({ auth, allowAnonymous }: Protection): boolean => !auth && !allowAnonymous;

/** Who is let in: at one listener what that says, else what the broker says. */
type Protection = Pick<MQTTdOptions, 'auth' | 'allowAnonymous'>;

/**
 * The listeners that the options ask for, safe by default: who lets everybody in listens to this machine only.
 * @throws MQTTdUsageError (as a rejection)
 */
export async function makeListeners(options: MQTTdOptions, moduleRef: ModuleRef): Promise<Listener[]> {
  if (!options.listeners) return [makeListener(options, options.tls, '', options)];
  return Promise.all(
    options.listeners.map((entry, index) => makeEntry(entry, `listeners[${index}]`, options, moduleRef)),
  );
}

async function makeEntry(
  entry: MQTTdListenerOptions,
  path: string,
  options: MQTTdOptions,
  moduleRef: ModuleRef,
): Promise<Listener> {
  if (entry instanceof Listener) {
    if (!isLoopbackOnly(entry.entrance.auth ? { auth: entry.entrance.auth } : options)) return entry;
    throw new MQTTdUsageError(
      'OPEN_TO_THE_NETWORK',
      `${path}: ${entry.name} may be reachable from the network; set auth, or allowAnonymous: true if that is meant`,
    );
  }
  const place = isObject(entry) ? (['tcp', 'tls'] as const).find((name) => name in entry) : undefined;
  if (place === undefined) {
    // Only the names: a key that was put into the wrong place must not reach a log.
    const found = isObject(entry) ? `has ${Object.keys(entry).join(', ')}` : shown(entry);
    throw invalidOption(`${path}: ${found}; use { tcp: { port } }, { tls: { port, key, cert } } or a Listener`);
  }
  const { auth, allowAnonymous, name, limits, mountPoint, ...where } = entry;
  checkEntrance(entry, where, path);
  const { [place]: address } = where as unknown as Record<typeof place, MQTTdAddress & MQTTdTlsOptions>;
  if (place === 'tcp') checkAddress(address, `${path}.tcp`);
  const isProtected = auth !== undefined || allowAnonymous !== undefined;
  const protection = isProtected ? { auth, allowAnonymous } : options;
  const listener = makeListener(address, place === 'tls' ? address : undefined, `${path}.${place}`, protection);
  const own = isProtected ? await makeAuth({ auth }, moduleRef, `${path}.auth`) : undefined;
  listener.entrance = { name, auth: own, limits, mountPoint };
  return listener;
}

function checkEntrance(
  { auth, allowAnonymous, name, limits, mountPoint }: MQTTdEntranceOptions,
  where: object,
  path: string,
): void {
  const [, second] = Object.keys(where);
  if (second !== undefined) {
    throw invalidOption(
      `${path}.${second}: there is no such option beside ${Object.keys(where)[0]}; ` +
        'the options are name, auth, allowAnonymous, limits, mountPoint',
    );
  }
  if (auth && allowAnonymous) {
    throw invalidOption(`${path}.allowAnonymous: true would make auth meaningless; leave one of them out`);
  }
  if (name !== undefined && (typeof name !== 'string' || name === '')) {
    throw invalidOption(`${path}.name: ${shown(name)}; use a text`);
  }
  checkLimits(limits, `${path}.limits`);
  if (
    mountPoint !== undefined &&
    !(isTopicName(mountPoint) && mountPoint.endsWith('/') && !mountPoint.startsWith('$'))
  ) {
    throw invalidOption(`${path}.mountPoint: ${shown(mountPoint)}; use the begin of a topic, as 'tenants/a/'`);
  }
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
  options: Protection,
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

function safeHost(host: string | undefined, path: string, options: Protection): string | undefined {
  if (!isLoopbackOnly(options)) return host;
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
