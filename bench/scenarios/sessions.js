import { startOurs, withNodes } from '../support/brokers.js';
import { commonColumns, sum } from '../support/figures.js';
import { loadPairs } from '../support/mqttload.js';
import { commandsBetween } from '../support/redis.js';
import { compareInTurns } from '../support/rounds.js';
import { printTable } from '../support/table.js';

/** QoS 1 to subscribers whose sessions are kept, and beside it to those whose sessions are not. */
export const sessions = {
  title: 'sessions that are kept, their clients on the publishing node and on the other one',
  rounds: 3,
  async run({ rounds, seconds }) {
    const variants = ['the other node', 'the same node'].flatMap((place) =>
      ['kept', 'clean'].map((session) => ({
        name: `${session} sessions on ${place}`,
        place,
        session,
        run: () => measure({ place, session, seconds }),
      })),
    );

    const rows = await compareInTurns(variants, rounds);

    printTable({ sessions: ({ session }) => session, on: ({ place }) => place, ...commonColumns }, rows);
    for (const { name, results } of rows)
      console.log(`${name}: Redis commands per message: ${callsPerMessage(results)}`);
  },
};

const measure = ({ place, session, seconds }) =>
  withNodes([startOurs, startOurs], async ({ redis, nodes: [publishing, other], pids }) => {
    const delivering = place === 'the other node' ? other : publishing;
    const ports = { '-p': publishing.port, '--sub-port': delivering.port };
    const kept = session === 'kept' ? { '--persistent': true } : {};
    const before = await redis.commands();
    const result = await loadPairs({ ...ports, ...kept, '-q': 1, '-t': seconds, pids });
    return { ...result, commands: commandsBetween(before, await redis.commands()) };
  });

/** The most frequent commands, and all; connecting and subscribing included, a few hundred for all. */
function callsPerMessage(results) {
  const messages = sum(results.map((result) => result.total_sent));
  const perMessage = (calls) => (calls / messages).toFixed(4);
  const names = [...results[0].commands.keys()].slice(0, 4);
  const each = names.map(
    (name) => `${name} ${perMessage(sum(results.map(({ commands }) => commands.get(name) ?? 0)))}`,
  );
  return `${perMessage(sum(results.flatMap(({ commands }) => [...commands.values()])))} (${each.join(', ')})`;
}
