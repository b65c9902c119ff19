import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { startAedesOnDisk, startOursAlone, startOursOnDisk } from '../support/brokers.js';
import { commonColumns, median, whole } from '../support/figures.js';
import { withFolder } from '../support/folder.js';
import { loadPairs } from '../support/mqttload.js';
import { startMosquittoOnDisk } from '../support/peers.js';
import { compareInTurns } from '../support/rounds.js';
import { printTable } from '../support/table.js';

/** What is promised when a PUBACK has come: that the message is there after what. */
const brokers = {
  'nestjs-mqttd': [
    ['in memory', () => startOursAlone(), 'nothing'],
    ['durability commit', (folder) => startOursOnDisk(folder, 'commit'), 'kill'],
    ['durability fsync', (folder) => startOursOnDisk(folder, 'fsync'), 'kill, loss of power'],
  ],
  Mosquitto: [['persistence true', startMosquittoOnDisk, 'stop']],
  Aedes: [['aedes-persistence-level', startAedesOnDisk, 'kill']],
};

/** Pairs at QoS 1 whose subscribers keep their sessions. */
export const durable = {
  title: 'pairs at QoS 1 with sessions that are kept, in memory and on disk',
  rounds: 3,
  async run({ peers, rounds, seconds }) {
    const variants = Object.keys(peers).flatMap((broker) =>
      brokers[broker].map(([kept, start, survives]) => ({
        name: `${broker}, ${kept}`,
        broker,
        kept,
        survives,
        run: () => withFolder((folder) => measure(() => start(folder), folder, seconds)),
      })),
    );
    const rows = await compareInTurns(variants, rounds);
    printTable(
      {
        broker: ({ broker }) => broker,
        kept: ({ kept }) => kept,
        'acknowledged survives': ({ survives }) => survives,
        ...commonColumns,
        'MB on disk': ({ results }) => whole(Math.max(...results.map(({ onDisk }) => onDisk)) / 1e6),
        'messages/commit': ({ results }) => batchOf(results),
      },
      rows,
    );
  },
};

async function measure(start, folder, seconds) {
  const broker = await start();
  try {
    const before = commitsIn(folder);
    const load = { '-p': broker.port, '-q': 1, '-t': seconds, '--persistent': true, pids: [broker.pid] };
    const result = await loadPairs(load);
    return { ...result, commits: commitsIn(folder) - before, onDisk: sizeOf(folder) };
  } finally {
    await broker.stop();
  }
}

function sizeOf(folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
}

/** Transactions that an LMDB file has seen, by the newer one of its two first pages; 0 where there is none. */
function commitsIn(folder) {
  const file = join(folder, 'data.mdb');
  if (!existsSync(file)) return 0;
  const bytes = readFileSync(file).subarray(0, 2 * pageSize);
  return Math.max(...[0, pageSize].map((page) => Number(bytes.readBigUInt64LE(page + transactionAt))));
}

const pageSize = 4096;
const transactionAt = 152;

/** Warming up included. */
const batchOf = (results) =>
  results[0].commits === 0
    ? ''
    : whole(median(results.map(({ commits, total_received: messages }) => messages / commits)));
