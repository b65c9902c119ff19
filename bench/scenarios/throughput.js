import { commonColumns, whole } from '../support/figures.js';
import { runLoad } from '../support/mqttload.js';
import { compareInTurns } from '../support/rounds.js';
import { printTable } from '../support/table.js';

const fanin = { mode: 'fanin', '-n': 50 };
const pair = { mode: 'pair', '-n': 50 };
const wild = { mode: 'wild', '-n': 50 };
const fanout = { mode: 'fanout', '-n': 100, '-w': 10_000 };

/** What is compared: the traffic, and what differs from 64 bytes at QoS 0 and MQTT 3.1.1. */
const loads = [
  ...[0, 1, 2].map((qos) => ({ ...fanin, '-q': qos })),
  ...[0, 1, 2].map((qos) => ({ ...pair, '-q': qos })),
  { ...wild, '-q': 0 },
  ...[0, 1].map((qos) => ({ ...fanout, '-q': qos })),
];

/** Aedes speaks no MQTT 5. */
const fifth = [0, 1].map((qos) => ({ ...pair, '-q': qos, '-V': 5 }));
const sizes = [16, 1024, 16_384].map((size) => ({ ...pair, '-q': 0, '-s': size }));

export const throughput = {
  title: 'as fast as it goes: fan-in, pairs, wildcards, fan-out at QoS 0, 1 and 2',
  rounds: 5,
  run: (options) => compare(loads, options),
};

export const versions = {
  title: 'pairs with MQTT 5',
  rounds: 5,
  run: (options) =>
    compare([{ ...pair, '-q': 0 }, ...fifth.slice(0, 1), { ...pair, '-q': 1 }, ...fifth.slice(1)], options),
};

export const payloads = {
  title: 'pairs with payloads of 16 bytes, 1 KiB and 16 KiB',
  rounds: 3,
  run: (options) => compare(sizes, options),
};

async function compare(chosen, { peers, rounds, seconds }) {
  const variants = chosen.flatMap((load) =>
    Object.entries(peers).flatMap(([broker, start]) =>
      broker === 'Aedes' && load['-V'] === 5
        ? []
        : {
            name: `${nameOf(load)}, ${broker}`,
            traffic: nameOf(load),
            broker,
            run: () => measure(start, load, seconds),
          },
    ),
  );
  const rows = await compareInTurns(variants, rounds);
  printTable(
    { traffic: ({ traffic }) => traffic, broker: ({ broker }) => broker, ...commonColumns, 'peak MB': peakOf },
    rows,
  );
  printRatios(rows);
}

async function measure(start, { mode, ...load }, seconds) {
  const broker = await start();
  try {
    return await runLoad(mode, { '-p': broker.port, '-s': 64, '-V': 4, '-t': seconds, ...load, pids: [broker.pid] });
  } finally {
    await broker.stop();
  }
}

const nameOf = ({ mode, '-q': qos, '-V': version = 4, '-s': size = 64 }) =>
  `${mode} QoS ${qos}${version === 5 ? ' v5' : ''}${size === 64 ? '' : ` ${whole(size)} B`}`;

const peakOf = ({ results }) => Math.round(Math.max(...results.map(({ broker_rss_peak: peak }) => peak)) / 1e6);

/** Of each traffic: how many times the messages of each peer. */
function printRatios(rows) {
  for (const traffic of new Set(rows.map((row) => row.traffic))) {
    const [ours, ...others] = rows.filter((row) => row.traffic === traffic);
    for (const other of others) {
      const perCpu = (ours.perCpuSecond / other.perCpuSecond).toFixed(1);
      const perSecond = (ours.perSecond / other.perSecond).toFixed(1);
      console.log(
        `${traffic}: ${perCpu} times the messages per CPU-second of ${other.broker}, ${perSecond} times per second`,
      );
    }
  }
}
