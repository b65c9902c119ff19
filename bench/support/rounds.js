import { summarize, whole } from './figures.js';

/**
 * Runs each variant once in every round, so that what the machine does meanwhile meets all of them alike.
 *
 * @param variants objects with a `name` and a `run()` that resolves with what was measured
 * @returns the variants, each with its `results`
 */
export async function takeTurns(variants, rounds) {
  const taken = variants.map((variant) => ({ ...variant, results: [] }));
  for (let round = 1; round <= rounds; round++) {
    for (const { name, run, results } of taken) {
      const result = await run();
      results.push(result);
      const rate = result.msgs_per_s === undefined ? 'done' : `${whole(result.msgs_per_s)} messages/s`;
      console.error(`round ${round} of ${rounds}: ${name}: ${rate}`);
    }
  }
  return taken;
}

/** The same, each with what its results come to. */
export async function compareInTurns(variants, rounds) {
  const taken = await takeTurns(variants, rounds);
  return taken.map((variant) => ({ ...variant, ...summarize(variant.results) }));
}
