import { startAedes, startOurs, withNodes } from '../support/brokers.js';
import { installAedes } from '../support/install-aedes.js';
import { commonColumns } from '../support/figures.js';
import { loadPairs } from '../support/mqttload.js';
import { compareInTurns } from '../support/rounds.js';
import { printTable } from '../support/table.js';

const brokers = { 'nestjs-mqttd': startOurs, Aedes: startAedes };

/** Every message enters at one node and leaves at the other. */
export const across = {
  title: 'two nodes around one Redis, and Aedes in the same arrangement',
  rounds: 3,
  async run({ rounds, seconds, window, rate }) {
    installAedes();
    const variants = [0, 1].flatMap((qos) =>
      Object.entries(brokers).map(([broker, start]) => ({
        name: `QoS ${qos}, ${broker}`,
        broker,
        qos,
        run: () => measure(start, { '-q': qos, '-t': seconds, '-w': window, '-r': rate }),
      })),
    );

    const rows = await compareInTurns(variants, rounds);

    printTable({ QoS: ({ qos }) => qos, broker: ({ broker }) => broker, ...commonColumns }, rows);
    for (const qos of [0, 1]) printRatio(rows.filter((row) => row.qos === qos));
  },
};

const measure = (start, load) =>
  withNodes([start, start], ({ nodes: [publishing, delivering], pids }) =>
    loadPairs({ '-p': publishing.port, '--sub-port': delivering.port, ...load, pids }),
  );

function printRatio([ours, theirs]) {
  const perSecond = (ours.perSecond / theirs.perSecond).toFixed(2);
  const perCpuSecond = (ours.perCpuSecond / theirs.perCpuSecond).toFixed(2);
  console.log(`QoS ${ours.qos}: ${perSecond} times the messages/s of Aedes, ${perCpuSecond} times per CPU-second`);
}
