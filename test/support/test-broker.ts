import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Duplex } from 'node:stream';
import { afterEach, describe } from '@jest/globals';
import { AllowAllAuth } from '../../lib/auth/allow-all.auth.js';
import { Broker, type BrokerOptions } from '../../lib/broker/broker.js';
import type { Log } from '../../lib/broker/log.js';
import { TcpListener } from '../../lib/listeners/tcp.listener.js';
import type { ProtocolVersion } from '../../lib/protocol/packets.js';
import { DirectRouter } from '../../lib/routers/direct.router.js';
import { randomUUID } from 'node:crypto';
import { RedisRouter } from '../../lib/routers/redis.router.js';
import { RedisStore } from '../../lib/stores/redis.store.js';
import { MemoryStore } from '../../lib/stores/memory.store.js';
import { WebSocketListener } from '../../lib/listeners/websocket.listener.js';
import { certificates } from './certificates.js';
import { connectWebSocket } from './websockets.js';
import { duplexPair } from '../../lib/listeners/duplex-pair.js';
import { testRedis } from './redis.js';
import { ManualClock } from '../../lib/broker/manual-clock.js';
import { WireClient } from './wire-client.js';

/** The ways in that conformance is shown over. */
export const transports = ['tcp', 'tls', 'WebSocket'] as const;
export type Transport = (typeof transports)[number] | 'memory';

/** One `describe` per transport; `start` runs a broker on it that is stopped after the test. */
export function describeOverTransports(title: string, define: (start: StartBroker) => void): void {
  describe.each(transports)(`${title} over %s`, (transport) => {
    define(stopped((options) => startBroker(options, transport)));
  });
}

/** The same once more with everything kept in Redis. */
export function describeAlsoInRedis(title: string, define: (start: StartBroker) => void): void {
  describeOverTransports(title, define);
  describe(`${title}, kept in Redis`, () => {
    const redis = testRedis();
    const parts = () => ({
      router: new RedisRouter({ port: redis().port, keyPrefix: randomUUID() }),
      store: new RedisStore(),
    });
    define(stopped((options) => startBroker({ ...parts(), ...options })));
  });
}

export type StartBroker = (options?: Partial<BrokerOptions>) => Promise<TestBroker>;

/** Stops after each test what was started in it. */
function stopped(start: StartBroker): StartBroker {
  const running: TestBroker[] = [];
  afterEach(async () => {
    await Promise.all(running.splice(0).map((broker) => broker.stop()));
  });
  return async (options) => {
    const broker = await start(options);
    running.push(broker);
    return broker;
  };
}

/** A running broker with a clock of its own, and clients for it. */
export interface TestBroker {
  readonly broker: Broker;
  readonly clock: ManualClock;
  /** Every line of the log, the level in front. */
  readonly logged: string[];
  /** A new connection, on which nothing was sent yet. */
  open(version?: ProtocolVersion): Promise<WireClient>;
  /** A new connection whose CONNECT was accepted. */
  client(version?: ProtocolVersion, options?: Parameters<WireClient['connect']>[0]): Promise<WireClient>;
  stop(): Promise<void>;
}

export async function startBroker(
  options: Partial<BrokerOptions> = {},
  transport: Transport = 'memory',
): Promise<TestBroker> {
  const clock = options.clock instanceof ManualClock ? options.clock : new ManualClock();
  const logged: string[] = [];
  const listener = transport === 'memory' ? undefined : makeListener(transport);
  const broker = new Broker({
    listeners: listener ? [listener] : [],
    auth: new AllowAllAuth(),
    router: new DirectRouter(),
    store: new MemoryStore(),
    log: logInto(logged),
    clock,
    ...options,
  });
  await broker.start();
  const streams = new Set<Duplex>();
  const open = async (version: ProtocolVersion = 5): Promise<WireClient> => {
    const stream = listener ? await connectTo(listener.port, transport) : connectInMemory(broker);
    streams.add(stream);
    return new WireClient(stream, version);
  };
  return {
    broker,
    clock,
    logged,
    open,
    async client(version, connectOptions) {
      const client = await open(version);
      const { reasonCode } = await client.connect(connectOptions);
      if (reasonCode !== 0) throw new Error(`CONNACK 0x${reasonCode.toString(16)}`);
      return client;
    },
    async stop() {
      for (const stream of streams) stream.destroy();
      await broker.drain();
      await broker.close();
    },
  };
}

function makeListener(transport: Exclude<Transport, 'memory'>): TcpListener | WebSocketListener {
  if (transport === 'tcp') return new TcpListener({ port: 0, host: '127.0.0.1' });
  if (transport === 'WebSocket') return new WebSocketListener({ port: 0, host: '127.0.0.1' });
  const { server } = certificates();
  return new TcpListener({ port: 0, host: '127.0.0.1', tls: { key: server.key, cert: server.cert } });
}

function connectInMemory(broker: Broker): Duplex {
  const [ours, theirs] = duplexPair();
  broker.accept(theirs, { listener: 'memory', tls: false });
  return ours;
}

async function connectTo(port: number, transport: Transport): Promise<Duplex> {
  if (transport === 'WebSocket') return connectWebSocket(`ws://127.0.0.1:${port}/mqtt`);
  const { ca } = certificates();
  const stream =
    transport === 'tls'
      ? connectTls({ port, host: '127.0.0.1', ca: ca.cert, servername: 'localhost' })
      : connectTcp({ port, host: '127.0.0.1', noDelay: true });
  await new Promise((resolve, reject) => {
    stream.once(transport === 'tls' ? 'secureConnect' : 'connect', resolve);
    stream.once('error', reject);
  });
  return stream;
}

const logInto = (lines: string[]): Log => ({
  log: (line) => lines.push(`log ${line}`),
  warn: (line) => lines.push(`warn ${line}`),
  error: (line, error) => lines.push(`error ${line} ${error instanceof Error ? String(error) : ''}`),
  debug: (line) => lines.push(`debug ${line}`),
});
