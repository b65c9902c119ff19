import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Program, cores } from './program.js';
import { startRedis } from './redis.js';

/** So long that neither signs of life nor the reader's waiting stand between what messages cost. */
const quiet = { heartbeatMs: 600_000, leaseMs: 3_600_000 };

export const startOurs = (redisPort) => startNode('ours.js', { redis: { port: redisPort, ...quiet } });

/** Ours with everything in memory. */
export const startOursAlone = () => startNode('ours.js', {});

/** The same with a handler: `{ pattern, mode }`. */
export const startOursWith = (handler) => () => startNode('ours.js', { handler });

/** Aedes with everything in memory. */
export const startAedesAlone = () => startNode('aedes-alone.js', {});

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
  const started = [];
  try {
    const redis = await startRedis();
    started.push(redis);
    const nodes = [];
    for (const start of starts) {
      const node = await start(redis.port);
      started.push(node);
      nodes.push(node);
    }
    return await use({ redis, nodes, pids: started.map(({ pid }) => pid) });
  } finally {
    // Redis last: nodes whose Redis goes first have something to say about it.
    for (const one of started.reverse()) await one.stop();
  }
}
