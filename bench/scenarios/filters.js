import { connectAsync } from 'mqtt';
import { startOurs, untilStatus, withNodes } from '../support/brokers.js';
import { commonColumns } from '../support/figures.js';
import { loadPairs } from '../support/mqttload.js';
import { compareInTurns } from '../support/rounds.js';
import { printTable } from '../support/table.js';

const [few, many] = [100, 10_000];

/** Clients of one node have filters that match nothing of what clients of the other node say to each other. */
export const filters = {
  title: 'what a publish costs a node when others have 100 filters that do not match, and 10,000',
  rounds: 5,
  async run({ rounds, messages }) {
    const variants = [0, 1].flatMap((qos) =>
      [few, many].map((count) => ({
        name: `QoS ${qos}, ${count} filters elsewhere`,
        count,
        qos,
        run: () => measure(count, qos, messages),
      })),
    );

    const rows = await compareInTurns(variants, rounds);

    printTable({ QoS: ({ qos }) => qos, 'filters elsewhere': ({ count }) => count, ...commonColumns }, rows);
    for (const qos of [0, 1]) printRatio(rows.filter((row) => row.qos === qos));
  },
};

const measure = (count, qos, messages) =>
  withNodes([startOurs, startOurs], async ({ nodes: [node, other] }) => {
    const client = await connectAsync(`mqtt://127.0.0.1:${other.port}`);
    await subscribe(client, count);
    await untilStatus(node, ({ otherRoutes }) => otherRoutes === count);
    const load = { '-p': node.port, '-q': qos, '-m': messages, pids: [node.pid] };
    // The same before, so that what is compiled while it runs is compiled.
    await loadPairs(load);
    const result = await loadPairs(load);
    client.end(true);
    return result;
  });

async function subscribe(client, count) {
  const wanted = Array.from({ length: count }, (_, index) => filterOf(index));
  for (let start = 0; start < count; start += 1000) await client.subscribeAsync(wanted.slice(start, start + 1000));
}

/** Beside the topics that are published, `pair/<i>`: below the same level, above it, and elsewhere. */
function filterOf(index) {
  return [`pair/other-${index}`, `+/other-${index}`, `other/${index}/#`][index % 3];
}

function printRatio([withFew, withMany]) {
  const ratio = (withMany.cpuMicroseconds / withFew.cpuMicroseconds).toFixed(2);
  console.log(`QoS ${withFew.qos}: CPU per message ${ratio} times as much (aim: at most 1.2)`);
}
