import { commonColumns } from './figures.js';
import { loadPairs } from './mqttload.js';
import { compareInTurns } from './rounds.js';
import { printTable } from './table.js';

/**
 * Publishers and subscribers on one node, started in several ways that take turns, at QoS 0 and 1; prints the table.
 *
 * @param withOne `withNodes`, or `withBrokers` where no Redis is needed
 * @param starts by what they are called in the column `column`
 * @returns for each QoS its rows
 */
export async function compareOnOneNode(withOne, starts, column, { rounds, seconds }) {
  const variants = [0, 1].flatMap((qos) =>
    Object.entries(starts).map(([name, start]) => ({
      name: `QoS ${qos}, ${name}`,
      [column]: name,
      qos,
      run: () => measure(withOne, start, qos, seconds),
    })),
  );
  const rows = await compareInTurns(variants, rounds);
  printTable({ QoS: ({ qos }) => qos, [column]: (row) => row[column], ...commonColumns }, rows);
  return [0, 1].map((qos) => rows.filter((row) => row.qos === qos));
}

const measure = (withOne, start, qos, seconds) =>
  withOne([start], ({ nodes: [node], pids }) => loadPairs({ '-p': node.port, '-q': qos, '-t': seconds, pids }));
