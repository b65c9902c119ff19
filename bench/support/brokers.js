import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Program, cores } from './program.js';
import { startRedis } from './redis.js';

/** So long that neither signs of life nor the reader's waiting stand between what messages cost. */
const quiet = { heartbeatMs: 600_000, leaseMs: 3_600_000 };

export const startOurs = (redisPort) => startNode('ours.js', { redis: { port: redisPort, ...quiet } });

/** Ours with everything in memory. */
export const startOursAlone = (way) => startNode('ours.js', way ? { listeners: [listenerFor(way)] } : {});

function listenerFor({ scheme, certificate }) {
  const place = { port: 0, host: '127.0.0.1' };
  if (scheme === 'ws') return { ws: place };
  return scheme === 'mqtts' ? { tls: { ...place, key: certificate.key, cert: certificate.cert } } : { tcp: place };
}

/** Ours with sessions in a file. */
export const startOursOnDisk = (path, durability) => startNode('ours.js', { store: { path, durability } });

/** The same with a handler: `{ pattern, mode }`. */
export const startOursWith = (handler) => () => startNode('ours.js', { handler });

/** Aedes with everything in memory. */
export const startAedesAlone = (way = {}) => startNode('aedes-alone.js', way);

export const startAedesOnDisk = (path) => startNode('aedes-level.js', { path });

export const startAedes = (redisPort) => startNode('aedes.js', { port: redisPort });

async function startNode(script, options) {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const program = new Program(cores.brokers, process.execPath, [path, JSON.stringify(options)]);
  const [, port] = await program.line(/^ready port=(\d+)$/);
  return {
    port: Number(port),
    pid: program.pid,
    stop: () => program.stop(),
    /** Only ours answers. */
    async status() {
      program.tell('status');
      const [, status] = await program.line(/^status=(.*)$/);
      return JSON.parse(status);
    },
  };
}

/** Waits until a node's status is as wanted. */
export async function untilStatus(node, isWanted) {
  for (;;) {
    const status = await node.status();
    if (isWanted(status)) return status;
    await setTimeout(10);
  }
}

/** Starts Redis and nodes around it for as long as `use` takes. */
export async function withNodes(starts, use) {
  const redis = await startRedis();
  try {
    return await withBrokers(
      starts.map((start) => () => start(redis.port)),
      ({ nodes, pids }) => use({ redis, nodes, pids: [redis.pid, ...pids] }),
    );
  } finally {
    // Last: nodes whose Redis goes first have something to say about it.
    await redis.stop();
  }
}

/** The same without a Redis. */
export async function withBrokers(starts, use) {
  const nodes = [];
  try {
    for (const start of starts) nodes.push(await start());
    return await use({ nodes, pids: nodes.map(({ pid }) => pid) });
  } finally {
    for (const node of nodes.reverse()) await node.stop();
  }
}
