// `npm run bench:restart -- [sessions] [messages]`: how long a broker with a full LmdbStore takes to open, and what it holds then.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { whole } from './support/figures.js';

const lib = new URL('../dist/esm/', import.meta.url);
const load = async (path) => import(new URL(path, lib));

const [role, ...given] = process.argv.slice(2);
if (role === 'fill') await fill(...given);
else if (role === 'open') await open(...given);
else compare(Number(role ?? 100_000), Number(given[0] ?? 1_000_000));

function compare(sessions, messages) {
  const folder = mkdtempSync(join(tmpdir(), 'mqttd-restart-'));
  const run = (...args) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), ...args], {
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(stderr);
    return JSON.parse(stdout.trim().split('\n').at(-1));
  };
  try {
    console.log(`${whole(sessions)} sessions, ${whole(messages)} messages waiting for them, 64 bytes each`);
    const filled = run('fill', folder, sessions, messages);
    console.log(
      `filled in ${filled.seconds.toFixed(1)} s; file ${whole(statSync(join(folder, 'data.mdb')).size / 1e6)} MB`,
    );
    const { seconds, rss, empty } = run('open', folder);
    console.log(`opened in ${seconds.toFixed(2)} s; memory ${whole(rss / 1e6)} MB, ${whole(empty / 1e6)} MB before`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function brokerOn(path) {
  const { Broker } = await load('broker/broker.js');
  const { AllowAllAuth } = await load('auth/allow-all.auth.js');
  const { DirectRouter } = await load('routers/direct.router.js');
  const { LmdbStore } = await load('stores/lmdb.store.js');
  const log = { log() {}, warn: console.error, error: console.error, debug() {} };
  return new Broker({
    listeners: [],
    auth: new AllowAllAuth(),
    router: new DirectRouter(),
    store: new LmdbStore({ path }),
    log,
  });
}

async function fill(path, sessions, messages) {
  const { Message } = await load('broker/message.js');
  const broker = await brokerOn(path);
  await broker.start();
  const began = performance.now();
  const payload = Buffer.alloc(64, 'x');
  for (let number = 0; number < sessions; number++) {
    const session = broker.sessions.restore(`client-${number}`, 0xffff_ffff, broker.clock.now());
    broker.store.saveSession(session);
    const filter = `devices/${number}/commands`;
    const subscription = { filter, qos: 1, noLocal: false, retainAsPublished: false, retainHandling: 0 };
    broker.subscriptions.add(session, filter, subscription);
    if (number % 1000 === 999) await broker.barrier.kept();
  }
  for (let number = 0; number < messages; number++) {
    const topic = `devices/${number % sessions}/commands`;
    broker.publish(Message.of({ topic, payload, qos: 1, retain: false }, broker.clock.now()));
    if (number % 1000 === 999) await broker.barrier.kept();
  }
  await broker.barrier.kept();
  console.log(JSON.stringify({ seconds: (performance.now() - began) / 1000 }));
  await broker.drain();
  await broker.close();
}

async function open(path) {
  const broker = await brokerOn(path);
  const empty = process.memoryUsage.rss();
  const began = performance.now();
  await broker.start();
  const seconds = (performance.now() - began) / 1000;
  console.log(JSON.stringify({ seconds, empty, rss: process.memoryUsage.rss(), sessions: broker.sessions.size }));
  process.exit();
}
