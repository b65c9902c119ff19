import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

const packages = {
  alone: { taskset: 'util-linux', cc: 'gcc', openssl: 'openssl' },
  nodes: { 'redis-server': 'redis-server', 'redis-cli': 'redis-tools', taskset: 'util-linux', cc: 'gcc' },
};

/**
 * Ends the process with what to install when something is missing.
 * @param {'alone' | 'nodes'} kind with a Redis, or without one
 */
export function checkRequirements(kind) {
  const needed = packages[kind];
  const missing = Object.keys(needed).filter((program) => spawnSync(program, ['--version']).error);
  if (process.platform !== 'linux') stop('The load generator is for Linux.');
  if (missing.length > 0) stop(`Programs are missing; install: ${missing.map((name) => needed[name]).join(' ')}`);
  // On one core the generator would take from the brokers what it measures.
  if (availableParallelism() < 2) stop('Two cores are needed: one for the brokers, one for the load generator.');
}

function stop(reason) {
  console.error(reason);
  process.exit(1);
}
