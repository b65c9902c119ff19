import { startOursAlone, startOursWith, withNodes } from '../support/brokers.js';
import { commonColumns, summarize } from '../support/figures.js';
import { loadPairs } from '../support/mqttload.js';
import { takeTurns } from '../support/rounds.js';
import { printTable } from '../support/table.js';

const none = 'no handler';
const starts = {
  [none]: startOursAlone,
  'a handler of other topics': startOursWith({ pattern: 'elsewhere/#', mode: 'gate' }),
  observe: startOursWith({ pattern: '#', mode: 'observe' }),
  ack: startOursWith({ pattern: '#', mode: 'ack' }),
  gate: startOursWith({ pattern: '#', mode: 'gate' }),
};

/** One node: what a method that does nothing costs for each message, by its mode. */
export const handlers = {
  title: 'what a Nest handler that does nothing costs for each message, by its mode',
  rounds: 3,
  async run({ rounds, seconds }) {
    const variants = [0, 1].flatMap((qos) =>
      Object.entries(starts).map(([handler, start]) => ({
        name: `QoS ${qos}, ${handler}`,
        handler,
        qos,
        run: () => measure(start, qos, seconds),
      })),
    );

    const rows = (await takeTurns(variants, rounds)).map((row) => ({ ...row, ...summarize(row.results) }));

    printTable({ QoS: ({ qos }) => qos, handler: ({ handler }) => handler, ...commonColumns }, rows);
    for (const qos of [0, 1]) printCosts(rows.filter((row) => row.qos === qos));
  },
};

const measure = (start, qos, seconds) =>
  withNodes([start], ({ nodes: [node], pids }) => loadPairs({ '-p': node.port, '-q': qos, '-t': seconds, pids }));

function printCosts(rows) {
  const microseconds = ({ perCpuSecond }) => 1e6 / perCpuSecond;
  const without = microseconds(rows.find(({ handler }) => handler === none));
  for (const row of rows.filter(({ handler }) => handler !== none)) {
    console.log(
      `QoS ${row.qos}, ${row.handler}: ${(microseconds(row) - without).toFixed(2)} us of CPU more for each message`,
    );
  }
}
