// `npm run bench -- [scenario ...] [options]`: this broker, Mosquitto and Aedes, side by side. README.md beside this file.
import { connections, latency, retained, subscriptions } from './scenarios/single-runs.js';
import { durable } from './scenarios/durable.js';
import { handlers } from './scenarios/handlers.js';
import { streams } from './scenarios/streams.js';
import { payloads, throughput, versions } from './scenarios/throughput.js';
import { installAedes } from './support/install-aedes.js';
import { hasMosquitto, peers } from './support/peers.js';
import { readCommandLine } from './support/command-line.js';
import { checkRequirements } from './support/requirements.js';

const scenarios = {
  throughput,
  versions,
  payloads,
  latency,
  streams,
  durable,
  handlers,
  connections,
  subscriptions,
  retained,
};

const usage = `npm run bench -- [scenario ...] [options]

scenarios (throughput unless named; all for everything)
${Object.entries(scenarios)
  .map(([name, { title, rounds }]) => `  ${name.padEnd(14)}${title} (${rounds} rounds)`)
  .join('\n')}
options
  --rounds N       runs of each broker, taking turns
  -t, --seconds N  seconds measured in each run of throughput (5), after one of warm-up
  --brokers NAMES  such as nestjs-mqttd,Mosquitto (all that are there)
  -h, --help       this text
`;

const { values, positionals, countOf, refuse } = readCommandLine(usage, {
  rounds: { type: 'string' },
  seconds: { type: 'string', short: 't' },
  brokers: { type: 'string' },
});
if (values.help) {
  console.log(usage);
} else {
  const names = positionals.includes('all')
    ? Object.keys(scenarios)
    : positionals.length > 0
      ? positionals
      : ['throughput'];
  const unknown = names.find((name) => !Object.hasOwn(scenarios, name));
  if (unknown !== undefined) refuse(`there is no scenario ${unknown}`);
  checkRequirements('alone');
  const chosen = await choosePeers();
  for (const name of names) {
    const { title, rounds, run } = scenarios[name];
    console.log(`\n${name}: ${title}`);
    await run({ peers: chosen, rounds: countOf('rounds', rounds), seconds: countOf('seconds', 5) });
  }
}

async function choosePeers() {
  const wanted = values.brokers?.split(',') ?? Object.keys(peers);
  const missing = wanted.find((name) => !Object.hasOwn(peers, name));
  if (missing !== undefined) refuse(`there is no broker ${missing}; there are ${Object.keys(peers).join(', ')}`);
  if (wanted.includes('Aedes')) installAedes();
  const isThere = (name) => {
    if (name !== 'Mosquitto' || hasMosquitto()) return true;
    console.error('Mosquitto is not installed: it is left out');
    return false;
  };
  return Object.fromEntries(wanted.filter(isThere).map((name) => [name, peers[name]]));
}
