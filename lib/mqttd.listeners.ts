import type { Server } from 'node:http';
import { HttpAdapterHost, type ModuleRef } from '@nestjs/core';
import { defaultLimits, type Limits } from './broker/limits.js';
import { Listener } from './broker/listener.js';
import { TcpListener } from './listeners/tcp.listener.js';
import { UnixListener } from './listeners/unix.listener.js';
import { WebSocketListener } from './listeners/websocket.listener.js';
import { ScriptedListener } from './scripted/scripted.listener.js';
import { checkNames, invalidOption, isObject, MQTTdUsageError, shown } from './mqttd.errors.js';
import {
  checkLimits,
  type MQTTdAddress,
  type MQTTdEntranceOptions,
  type MQTTdListenerOptions,
  type MQTTdOptions,
  type MQTTdPlace,
  type MQTTdProxied,
  type MQTTdTlsOptions,
  type MQTTdUnixOptions,
  type MQTTdWebSocketOptions,
} from './mqttd.options.js';
import { reasonOf } from './mqttd.outcomes.js';
import { makeAuth } from './mqttd.parts.js';
import { readTls } from './mqttd.tls.js';
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
  const { listeners, port, host, tls, configFile, logDirectory } = options;
  const made = listeners
    ? await Promise.all(listeners.map((entry, index) => makeEntry(entry, `listeners[${index}]`, options, moduleRef)))
    : [makeListener({ port, host }, tls, '', options)];
  if (configFile === undefined) return made;
  return made.map((listener) => new ScriptedListener(listener, { configFile, logDirectory }));
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
  const place = isObject(entry) ? (['tcp', 'tls', 'ws', 'unix'] as const).find((name) => name in entry) : undefined;
  if (place === undefined) {
    // Only the names: a key that was put into the wrong place must not reach a log.
    const found = isObject(entry) ? `has ${Object.keys(entry).join(', ')}` : shown(entry);
    throw invalidOption(
      `${path}: ${found}; use { tcp: { port } }, { tls: { port, key, cert } }, { ws: { port } }, { unix: { path } } or a Listener`,
    );
  }
  const { auth, allowAnonymous, name, limits, mountPoint, ...where } = entry;
  checkEntrance(entry, where, path);
  const isProtected = auth !== undefined || allowAnonymous === true;
  const protection = isProtected ? { auth, allowAnonymous } : options;
  const context = { path: `${path}.${place}`, protection, moduleRef, limits: { ...options.limits, ...limits } };
  const listener = makePlace(where, context);
  const own = isProtected ? await makeAuth({ auth }, moduleRef, `${path}.auth`) : undefined;
  listener.entrance = { name, auth: own, limits, mountPoint };
  return listener;
}

interface Context {
  /** Of the place among the options. */
  readonly path: string;
  readonly protection: Protection;
  readonly moduleRef: ModuleRef;
  readonly limits: Partial<Limits>;
}

function makePlace(place: MQTTdPlace, context: Context): Listener {
  const { path, protection } = context;
  const [options] = Object.values(place) as [unknown];
  if (!isObject(options))
    throw invalidOption(`${path}: ${shown(options)}; use ${shapes[path.slice(path.lastIndexOf('.') + 1)]}`);
  if ('unix' in place) return makeUnixListener(place.unix, path);
  if ('ws' in place) return makeWebSocketListener(place.ws, context);
  if ('tls' in place) return makeListener(place.tls, place.tls, path, protection);
  checkNames(place.tcp, ['port', 'host', 'proxies'], path);
  return makeListener(place.tcp, undefined, path, protection);
}

const shapes: Readonly<Record<string, string>> = {
  tcp: '{ port, host }',
  tls: '{ port, host, key, cert }',
  ws: '{ port, host, path } or { path }',
  unix: '{ path }',
};

function makeUnixListener(unix: MQTTdUnixOptions, path: string): UnixListener {
  checkNames(unix, ['path', 'mode'], path);
  const { path: file, mode } = unix;
  if (typeof file !== 'string' || file === '' || Buffer.byteLength(file) > longestSocketPath) {
    throw invalidOption(`${path}.path: ${shown(file)}; use the path of a file, of ${longestSocketPath} bytes at most`);
  }
  if (mode !== undefined && !(Number.isInteger(mode) && mode >= 0 && mode <= 0o777)) {
    throw invalidOption(`${path}.mode: ${shown(mode)}; use permissions, as 0o660`);
  }
  return new UnixListener({ path: file, mode, optionPath: path });
}

/** What every platform can bind, the final NUL included. */
const longestSocketPath = 103;

function makeWebSocketListener(ws: MQTTdWebSocketOptions, { path, protection, moduleRef, limits }: Context): Listener {
  const { port, host, path: url = '/mqtt', origins, ...tls } = ws;
  if (typeof url !== 'string' || !/^\/[^?#\s]*$/.test(url)) {
    throw invalidOption(`${path}.path: ${shown(url)}; use the path of a URL, as '/mqtt'`);
  }
  if (origins !== undefined && !(Array.isArray(origins) && origins.every(isOrigin))) {
    throw invalidOption(`${path}.origins: ${shown(origins)}; use a list as ['https://app.example.com'], or ['*']`);
  }
  const isEncrypted = Object.values(tls).some((value) => value !== undefined);
  const { maximumPacketSize = defaultLimits.maximumPacketSize, maximumConnectSize = defaultLimits.maximumConnectSize } =
    limits;
  const common = {
    path: url,
    origins,
    isLoopbackOnly: isLoopbackOnly(protection),
    // Several packets, or a CONNECT that is larger than those behind it, may come in one message.
    maximumMessageSize: Math.max(maximumPacketSize, maximumConnectSize, leastMessageSize),
    maximumUnansweredSize: maximumConnectSize,
    optionPath: path,
  };
  if (port !== undefined) {
    checkPort(port, `${path}.port`);
    const readOptions = () => readTls(tls, path);
    if (isEncrypted) readOptions();
    return new WebSocketListener({
      ...common,
      port,
      host: safeHost(host, `${path}.host`, protection),
      tls: isEncrypted ? readOptions : undefined,
    });
  }
  const needless = host === undefined ? Object.keys(tls)[0] : 'host';
  if (needless !== undefined) {
    throw invalidOption(
      `${path}.${needless}: means nothing without a port, as the application's HTTP server is used then`,
    );
  }
  const server = () =>
    moduleRef.get(HttpAdapterHost, { strict: false }).httpAdapter?.getHttpServer() as Server | undefined;
  return new WebSocketListener({ ...common, server });
}

/** Bytes that clients may gather into one WebSocket message, however small their packets have to be. */
const leastMessageSize = 1_048_576;

/** As browsers write it: scheme, host and port, in lower case. */
const isOrigin = (origin: unknown): boolean =>
  origin === '*' || (typeof origin === 'string' && URL.canParse(origin) && new URL(origin).origin === origin);

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

function checkPort(port: unknown, path: string): void {
  if (Number.isInteger(port) && Number(port) >= 0 && Number(port) <= 65_535) return;
  throw invalidOption(`${path}: ${shown(port)}; use a whole number from 0 to 65535`);
}

/** @param path empty for the short form, where port and host stand alone */
function makeListener(
  { port: given, host: wanted, proxies }: MQTTdAddress & MQTTdProxied,
  tls: MQTTdTlsOptions | undefined,
  path: string,
  protection: Protection,
): Listener {
  const prefix = path === '' ? '' : `${path}.`;
  const port = given ?? (tls ? 8883 : 1883);
  checkPort(port, `${prefix}port`);
  const host = safeHost(wanted, `${prefix}host`, protection);
  const readOptions = tls && (() => readTls(tls, path === '' ? 'tls' : path));
  readOptions?.();
  if (proxies !== undefined && !(Array.isArray(proxies) && proxies.every((one) => typeof one === 'string'))) {
    throw invalidOption(`${prefix}proxies: ${shown(proxies)}; use a list of addresses and networks, as ['10.0.0.0/8']`);
  }
  try {
    return new TcpListener({ port, host, proxies, optionPath: path, tls: readOptions });
  } catch (error) {
    throw invalidOption(`${prefix}proxies: ${reasonOf(error)}`);
  }
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
