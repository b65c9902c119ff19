import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

// Runs two nodes, and a Redis unless REDIS_URL names one, until it is told to end, a node fails, or both are gone.

const { REDIS_URL, MQTT_PORT = '1883', MQTT_PORT_2 = '1884', HTTP_PORT = '3001', HTTP_PORT_2 = '3002' } = process.env;
const nodes = new Set<ChildProcess>();
let redis: ChildProcess | undefined;
let redisFolder: string | undefined;
let isEnding = false;

// In a group of their own: Ctrl-C is for this process, which ends the nodes before their Redis.
const inOwnGroup = { detached: true };

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void end(0));

try {
  const url = REDIS_URL || (await startRedis());
  if (!isEnding) {
    startNode('node-1', { MQTT_PORT, HTTP_PORT, REDIS_URL: url });
    startNode('node-2', { MQTT_PORT: MQTT_PORT_2, HTTP_PORT: HTTP_PORT_2, REDIS_URL: url });
  }
} catch (error) {
  if (!isEnding) console.error(error instanceof Error ? error.message : error);
  await end(1);
}

/** A Redis of this sample's own, on a free port; it keeps nothing on disk. */
async function startRedis(): Promise<string> {
  const port = await freePort();
  redisFolder = mkdtempSync(join(tmpdir(), 'two-nodes-redis-'));
  const place = ['--port', String(port), '--bind', '127.0.0.1', '--dir', redisFolder];
  const server = (redis = spawn('redis-server', [...place, '--save', '', '--appendonly', 'no'], inOwnGroup));
  await new Promise<void>((resolve, reject) => {
    server.once('error', () => reject(new Error('redis-server is not installed; install it, or set REDIS_URL')));
    server.once('exit', (code) => reject(new Error(`redis-server ended with code ${code} before it was ready`)));
    createInterface(server.stdout).on('line', (line) => {
      if (line.includes('Ready to accept connections')) resolve();
    });
    createInterface(server.stderr).on('line', (line) => tell('redis', line));
  });
  tell('redis', `started, pid ${server.pid}, port ${port}`);
  server.once('exit', (code, signal) => tell('redis', ending(code, signal)));
  return `redis://127.0.0.1:${port}`;
}

function startNode(name: string, settings: Readonly<Record<string, string>>): void {
  const main = fileURLToPath(new URL('main.js', import.meta.url));
  const env = { ...process.env, ...settings, NODE_NAME: name };
  const node = spawn(process.execPath, [main], { ...inOwnGroup, env });
  nodes.add(node);
  tell(name, `started, pid ${node.pid}`);
  for (const output of [node.stdout, node.stderr]) createInterface(output).on('line', (line) => tell(name, line));
  // Not 'exit': what it said last is told first.
  node.once('close', (code, signal) => {
    nodes.delete(node);
    tell(name, ending(code, signal));
    // A node that was killed is what this sample is about; one that fails has said why.
    if (code) void end(1);
    else if (nodes.size === 0) void end(0);
  });
}

const ending = (code: number | null, signal: NodeJS.Signals | null): string =>
  signal ? `ended by ${signal}` : `ended with code ${code}`;

function tell(name: string, line: string): void {
  console.log(`${name.padEnd(6)} | ${line}`);
}

async function end(exitCode: number): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  process.exitCode = exitCode;
  await Promise.all([...nodes].map((node) => stop(node, 'SIGTERM')));
  // It has nothing to keep, and may stand still.
  if (redis) await stop(redis, 'SIGKILL');
  if (redisFolder) rmSync(redisFolder, { recursive: true });
}

async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  // Not 'exit': what it said last is told first.
  const isGone = once(child, 'close');
  child.kill(signal);
  await isGone;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
