import { parseArgs } from 'node:util';

/**
 * What a benchmark was asked for; ends the process with `usage` where that cannot be understood.
 *
 * @param options as for `parseArgs`, strings all of them; `--help` is added
 */
export function readCommandLine(usage, options) {
  const refuse = (reason) => {
    console.error(`${reason}\n\n${usage}`);
    process.exit(1);
  };
  const help = { type: 'boolean', short: 'h' };
  let parsed;
  try {
    parsed = parseArgs({ allowPositionals: true, options: { ...options, help } });
  } catch (error) {
    return refuse(error.message);
  }
  const { values, positionals } = parsed;
  const countOf = (option, otherwise) => {
    const given = values[option];
    if (given === undefined) return otherwise;
    return /^[1-9]\d*$/.test(given) ? Number(given) : refuse(`--${option}: ${given} is not a whole number from 1`);
  };
  return { values, positionals, countOf, refuse };
}
