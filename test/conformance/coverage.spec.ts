import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { exempt } from './exempt.js';

const directory = join(process.cwd(), 'test/conformance');

interface Statement {
  readonly id: string;
  /** `client`, `server` or `both`. */
  readonly binds: string;
  readonly requirement: string;
}

function readTable(name: string): Statement[] {
  const [, ...lines] = readFileSync(join(directory, `${name}.tsv`), 'utf8')
    .trimEnd()
    .split('\n');
  return lines.map((line) => {
    const [id, binds, requirement] = line.split('\t');
    return { id, binds, requirement };
  });
}

/**
 * The ids in the titles of all specs of a folder, and in which file each stands.
 *
 * A title is not always a literal: an id counts too where a table of cases has it (`'MQTT-4.3.2-1'`), and
 * `[MQTT-${section}-2]` stands for every section that the file has in quotes (`'3.4.2'`).
 */
function readTitles(folder: string): Map<string, string> {
  const shown = new Map<string, string>();
  for (const file of readdirSync(join(directory, folder))) {
    if (!file.endsWith('.spec.ts')) continue;
    const source = readFileSync(join(directory, folder, file), 'utf8');
    const sections = Array.from(source.matchAll(/'(\d+(?:\.\d+)+)'/g), ([, section]) => section);
    const text = [source, ...sections.map((section) => source.replaceAll('${section}', section))].join('\n');
    for (const [, ids] of text.matchAll(/['"`]((?:\[MQTT-[\d.]+-\d+\] )+|MQTT-[\d.]+-\d+['"`])/g)) {
      for (const [id] of ids.matchAll(/MQTT-[\d.]+-\d+/g)) shown.set(id, file);
    }
  }
  return shown;
}

const line = ({ id, requirement }: Statement) => `${id} ${requirement}`;

describe.each([
  ['MQTT 5.0', 'mqtt5', ''],
  ['MQTT 3.1.1', 'mqtt311', '3.1.1:'],
])('Conformance to %s', (version, name, prefix) => {
  const table = readTable(name);
  const shown = readTitles(name);
  const reasons = new Map(
    Object.entries(exempt).flatMap(([id, reason]) => {
      const isOurs = prefix === '' ? id.startsWith('MQTT-') : id.startsWith(prefix);
      return isOurs ? [[id.slice(prefix.length), reason]] : [];
    }),
  );
  const binding = table.filter(({ binds }) => binds !== 'client');

  it('has a test or a reason for every statement that binds a server', () => {
    const tested = binding.filter(({ id }) => shown.has(id));
    process.stdout.write(`${version}: ${tested.length} of ${binding.length} shown, ${reasons.size} exempt\n`);

    expect(binding.filter(({ id }) => !shown.has(id) && !reasons.has(id)).map(line)).toEqual([]);
  });

  it('has no title with an id that is not in the table', () => {
    const known = new Set(table.map(({ id }) => id));

    expect([...shown].filter(([id]) => !known.has(id))).toEqual([]);
  });

  it('has no reason for a statement that a test shows, or that does not bind a server', () => {
    const open = new Set(binding.filter(({ id }) => !shown.has(id)).map(({ id }) => id));

    expect([...reasons.keys()].filter((id) => !open.has(id))).toEqual([]);
  });
});
