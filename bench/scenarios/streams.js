import { fileURLToPath } from 'node:url';
import { withCertificate } from '../support/certificate.js';
import { commonColumns } from '../support/figures.js';
import { Program, cores } from '../support/program.js';
import { compareInTurns } from '../support/rounds.js';
import { printTable } from '../support/table.js';

const generator = fileURLToPath(new URL('../support/streams-load.js', import.meta.url));

/** The same 50 pairs over TCP, TLS and WebSocket, from a generator that speaks all three. */
export const streams = {
  title: 'pairs over TCP, TLS and WebSocket, from a generator in JavaScript',
  rounds: 3,
  run: ({ peers, rounds, seconds }) =>
    withCertificate(async (certificate) => {
      const variants = ['mqtt', 'mqtts', 'ws'].flatMap((scheme) =>
        [0, 1].flatMap((qos) =>
          peersFor(scheme, peers).map(([broker, start]) => ({
            name: `${scheme} QoS ${qos}, ${broker}`,
            way: scheme,
            qos,
            broker,
            run: () => measure(() => start({ scheme, certificate }), scheme, { qos, seconds }),
          })),
        ),
      );
      const rows = await compareInTurns(variants, rounds);
      printTable(
        { way: ({ way }) => way, QoS: ({ qos }) => qos, broker: ({ broker }) => broker, ...commonColumns },
        rows,
      );
    }),
};

/** Mosquitto 2.0.11 does not start a WebSocket listener that is to have one address only, and ours is not to have more. */
const peersFor = (scheme, peers) =>
  Object.entries(peers).filter(([broker]) => scheme !== 'ws' || broker !== 'Mosquitto');

async function measure(start, scheme, options) {
  const { port, pid, stop } = await start();
  try {
    const url = `${scheme}://127.0.0.1:${port}${scheme === 'ws' ? '/mqtt' : ''}`;
    const program = new Program(cores.load, process.execPath, [generator, JSON.stringify({ url, pid, ...options })]);
    if ((await program.finished) !== 0) throw new Error(`the load generator failed: ${program.rest}`);
    return JSON.parse(program.rest);
  } finally {
    await stop();
  }
}
