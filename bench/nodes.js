// `npm run bench:nodes -- [scenario] [options]`: what several nodes around a Redis cost, and handlers. README.md beside this file.
import { across } from './scenarios/across.js';
import { direct } from './scenarios/direct.js';
import { filters } from './scenarios/filters.js';
import { handlers } from './scenarios/handlers.js';
import { sessions } from './scenarios/sessions.js';
import { readCommandLine } from './support/command-line.js';
import { checkRequirements } from './support/requirements.js';

const scenarios = { across, direct, filters, handlers, sessions };

const usage = `npm run bench:nodes -- [scenario] [options]

scenarios
${Object.entries(scenarios)
  .map(([name, { title, rounds }]) => `  ${name.padEnd(10)}${title} (${rounds} rounds)`)
  .join('\n')}
options
  --rounds N       runs of each variant, taking turns
  -t, --seconds N  seconds measured in each run (5), after one of warm-up
  --window N       of across: messages on their way at most (2000)
  --rate N         of across: messages/s of each of the 50 publishers (as fast as the window lets)
  --messages N     of filters: messages of each run (2000000)
  -h, --help       this text
`;

const { values, positionals, countOf, refuse } = readCommandLine(usage, {
  rounds: { type: 'string' },
  seconds: { type: 'string', short: 't' },
  window: { type: 'string' },
  rate: { type: 'string' },
  messages: { type: 'string' },
});
const [name = 'across'] = positionals;
if (values.help) {
  console.log(usage);
} else {
  const scenario = Object.hasOwn(scenarios, name) ? scenarios[name] : refuse(`there is no scenario ${name}`);
  checkRequirements('nodes');
  await scenario.run({
    rounds: countOf('rounds', scenario.rounds),
    seconds: countOf('seconds', 5),
    window: countOf('window', 2000),
    rate: countOf('rate', 0),
    messages: countOf('messages', 2_000_000),
  });
}
