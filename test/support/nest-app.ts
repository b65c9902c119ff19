import { connect as connectTcp } from 'node:net';
import { afterEach } from '@jest/globals';
import type { INestApplication, LoggerService, ModuleMetadata } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { MQTTdBroker, MQTTdModule, type MQTTdOptions, type TcpListener } from 'nestjs-mqttd';
import type { ProtocolVersion } from '../../lib/protocol/packets.js';
import { Inbox } from './inbox.js';
import { WireClient, type ConnectOptions } from './wire-client.js';

/** What an application of a test has besides the broker. */
export interface AppParts extends Pick<ModuleMetadata, 'controllers' | 'providers' | 'imports'> {
  /** Default: one listener on a free port. */
  readonly mqttd?: MQTTdOptions;
  /** Called before the application is initialized: global pipes, guards and the like. */
  readonly configure?: (app: INestApplication) => void;
}

/** A running application with a broker in it, and clients for it. */
export interface TestApp {
  readonly app: INestApplication;
  readonly broker: MQTTdBroker;
  /** Of the first listener. */
  readonly port: number;
  /** Every line of Nest's log, the level and the context in front. */
  readonly logged: Inbox<string>;
  /** A new connection, on which nothing was sent yet. */
  open(version?: ProtocolVersion): Promise<WireClient>;
  /** A new connection whose CONNECT was accepted. */
  client(version?: ProtocolVersion, options?: ConnectOptions): Promise<WireClient>;
}

/** Starts applications that do not outlive their test. */
export function apps(): (parts?: AppParts) => Promise<TestApp> {
  const running: INestApplication[] = [];
  const clients: WireClient[] = [];
  afterEach(async () => {
    for (const client of clients.splice(0)) client.drop();
    await Promise.all(running.splice(0).map((app) => app.close()));
  });
  return async ({ controllers, providers, imports = [], mqttd, configure }: AppParts = {}) => {
    const logged = new Inbox<string>();
    const module = await Test.createTestingModule({
      imports: [MQTTdModule.forRoot(mqttd ?? { port: 0 }), ...imports],
      controllers,
      providers,
    })
      .setLogger(logInto(logged))
      .compile();
    const app = module.createNestApplication();
    configure?.(app);
    await app.init();
    running.push(app);
    const port = portOf(app);
    const open = async (version?: ProtocolVersion): Promise<WireClient> => {
      const client = await openClient(port, version);
      clients.push(client);
      return client;
    };
    return {
      app,
      broker: app.get(MQTTdBroker),
      port,
      logged,
      open,
      client: async (version, options) => accepted(await open(version), options),
    };
  };
}

/** The port of an application's first listener. */
export const portOf = (app: { get(token: typeof MQTTdBroker): MQTTdBroker }, index = 0): number =>
  (app.get(MQTTdBroker).listeners[index] as TcpListener).port;

/** A connection to a port of this machine, on which nothing was sent yet. */
export async function openClient(port: number, version: ProtocolVersion = 5, timeoutMs?: number): Promise<WireClient> {
  const socket = connectTcp({ port, host: '127.0.0.1', noDelay: true });
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  return new WireClient(socket, version, timeoutMs);
}

/** The client, once its CONNECT is accepted. */
export async function accepted(client: WireClient, options?: ConnectOptions): Promise<WireClient> {
  const { reasonCode } = await client.connect(options);
  if (reasonCode !== 0) throw new Error(`CONNACK 0x${reasonCode.toString(16)}`);
  return client;
}

/** A logger for Nest that keeps every line: `warn [MQTTd] ...`. */
export function logInto(lines: Inbox<string>): LoggerService {
  const take =
    (level: string) =>
    (message: unknown, ...rest: unknown[]): void => {
      const context = typeof rest.at(-1) === 'string' ? String(rest.pop()) : '';
      const text = message instanceof Error ? (message.stack ?? message.message) : shown(message);
      lines.push([level, `[${context}]`, text, ...rest.map(shown)].join(' '));
    };
  const levels = ['log', 'error', 'warn', 'debug', 'verbose', 'fatal'] as const;
  return Object.fromEntries(levels.map((level) => [level, take(level)])) as unknown as LoggerService;
}

const shown = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
