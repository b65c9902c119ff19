import type { RedisRouterOptions } from '../../lib/redis/redis-options.js';
import { builtLib } from './built-lib.js';
import { accepted, openClient } from './nest-app.js';
import { programs, type Program } from './programs.js';
import type { ConnectOptions, WireClient } from './wire-client.js';

/** A node that is a process of its own; it is killed after the test. */
export interface NodeProcess {
  readonly program: Program;
  /** What the node is called in Redis. */
  readonly name: string;
  readonly port: number;
  /** A new connection, on which nothing was sent yet. */
  open(): Promise<WireClient>;
  /** A new connection whose CONNECT was accepted. */
  client(options?: ConnectOptions): Promise<WireClient>;
  /** Connects with Clean Start 0 and a session that outlives the connection by an hour. */
  resume(clientId: string, options?: ConnectOptions): Promise<WireClient>;
}

/** Starts nodes as processes of their own, around the Redis that `place` names. */
export function nodeProcesses(
  place: () => RedisRouterOptions,
  store: 'MemoryStore' | 'RedisStore' = 'RedisStore',
): (options?: RedisRouterOptions) => Promise<NodeProcess> {
  const built = builtLib();
  const run = programs();
  return async (options = {}) => {
    const program = run(
      process.execPath,
      '--input-type=module',
      '--eval',
      source(built(), { ...place(), ...options }, store),
    );
    const ready = await program.lines.find((line) => line.endsWith(' ready'));
    const { port, name } = /^port=(?<port>\d+) node=(?<name>\S+)/.exec(ready)!.groups!;
    const open = () => openClient(Number(port));
    const client = async (connectOptions?: ConnectOptions) => accepted(await open(), connectOptions);
    return {
      program,
      name,
      port: Number(port),
      open,
      client,
      resume: (clientId, connectOptions) =>
        client({ clientId, cleanStart: false, properties: { sessionExpiryInterval: 3600 }, ...connectOptions }),
    };
  };
}

const source = (lib: string, options: RedisRouterOptions, store: string): string => `
  import { Broker } from '${lib}/broker/broker.js';
  import { AllowAllAuth } from '${lib}/auth/allow-all.auth.js';
  import { TcpListener } from '${lib}/listeners/tcp.listener.js';
  import { RedisRouter } from '${lib}/routers/redis.router.js';
  import { ${store} } from '${lib}/stores/${store === 'MemoryStore' ? 'memory' : 'redis'}.store.js';
  const log = { log: console.log, warn: console.log, error: console.log, debug() {} };
  const listener = new TcpListener({ port: 0, host: '127.0.0.1' });
  const router = new RedisRouter(${JSON.stringify(options)});
  const broker = new Broker({ listeners: [listener], auth: new AllowAllAuth(), router, store: new ${store}(), log });
  await broker.start();
  process.on('SIGTERM', async () => { await broker.drain(); await broker.close(); console.log('closed'); });
  console.log('port=' + listener.port + ' node=' + router.node + ' ready');`;
