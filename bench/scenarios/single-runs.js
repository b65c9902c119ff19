import { median, whole } from '../support/figures.js';
import { runLoad } from '../support/mqttload.js';
import { takeTurns } from '../support/rounds.js';
import { printTable } from '../support/table.js';

const of = (name) => (results) => median(results.map((result) => result[name]));
const count = (name) => (results) => whole(of(name)(results));
const micro = (name) => (results) => whole(of(name)(results));
const kib = (name) => (results) => (of(name)(results) / 1024).toFixed(1);

/** Each is one kind of run of mqttload for every broker, and what of its result is shown. */
export const latency = scenario(
  'delivery time of 50 pairs at half of what Mosquitto can do: 20,000 messages/s in all',
  3,
  {
    mode: 'latency',
    variants: [0, 1].map((qos) => ({ '-q': qos, '-n': 50, '-r': 400, '-t': 5 })),
    nameOf: (load) => `QoS ${load['-q']}`,
    columns: {
      'p50 us': micro('p50_us'),
      'p99 us': micro('p99_us'),
      'p99.9 us': micro('p99_9_us'),
      'messages/s': count('msgs_per_s'),
    },
  },
);

export const connections = scenario('10,000 idle connections', 3, {
  mode: 'connect',
  variants: [{ '--count': 10_000, '--hold': 3 }],
  nameOf: () => 'idle',
  columns: {
    'connects/s': count('connects_per_s'),
    'KiB each': kib('rss_per_connection'),
    'idle CPU': (results) => of('idle_broker_cpu')(results).toFixed(3),
  },
});

export const subscriptions = scenario('1,000,000 filters, and what publishing costs with them', 1, {
  mode: 'subs',
  variants: ['literal', 'mixed'].map((kind) => ({ '--count': 1_000_000, '-n': 10, '--kind': kind })),
  nameOf: (load) => load['--kind'],
  columns: {
    'subscribes/s': count('subscribes_per_s'),
    'bytes each': count('rss_per_subscription'),
    'messages/s before': count('before_msgs_per_s'),
    after: count('msgs_per_s'),
    'CPU us/message before': (results) => (1e6 / of('before_msgs_per_broker_cpu_s')(results)).toFixed(2),
    'after ': (results) => (1e6 / of('msgs_per_broker_cpu_s')(results)).toFixed(2),
  },
});

export const retained = scenario('1,000,000 retained messages: stored, and asked for with #', 1, {
  mode: 'retained',
  variants: [{ '--count': 1_000_000, '--keep': true, '-q': 0 }],
  nameOf: () => 'retained',
  columns: {
    'stores/s': count('stores_per_s'),
    'messages/s back': count('msgs_per_s'),
    'first ms': count('first_ms'),
    'peak MB': (results) => whole(of('broker_rss_peak')(results) / 1e6),
  },
});

function scenario(title, rounds, { mode, variants, nameOf, columns }) {
  return {
    title,
    rounds,
    async run({ peers, rounds: wanted }) {
      const runs = variants.flatMap((load) =>
        Object.entries(peers).map(([broker, start]) => ({
          name: `${nameOf(load)}, ${broker}`,
          case: nameOf(load),
          broker,
          run: () => measure(start, mode, load),
        })),
      );
      const rows = await takeTurns(runs, wanted);
      const cells = Object.entries(columns).map(([header, cell]) => [header, ({ results }) => cell(results)]);
      const isKept = ({ results }) => (results.every(({ ok }) => ok === 1) ? 'kept' : 'BROKEN');
      printTable(
        { case: (row) => row.case, broker: (row) => row.broker, ...Object.fromEntries(cells), guarantees: isKept },
        rows,
      );
    },
  };
}

async function measure(start, mode, load) {
  const broker = await start();
  try {
    return await runLoad(mode, { '-p': broker.port, ...load, pids: [broker.pid] });
  } finally {
    await broker.stop();
  }
}
