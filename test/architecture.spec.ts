import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';

const lib = fileURLToPath(new URL('../lib', import.meta.url));

/** The files of lib/, by their path in it. */
const files = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));

const textOf = (path: string): string => readFileSync(join(lib, path), 'utf8');

/** The folder that a file is in or below, directly in lib/; empty for the Nest face. */
const folderOf = (path: string): string => (path.includes('/') ? path.split('/')[0] : '');

/** What each folder may import beside itself and `node:`: other folders, and packages. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  topics: [],
  broker: ['protocol', 'topics'],
  listeners: ['broker', 'protocol', 'topics', 'ws'],
  // What nodes have in common in Redis: one option configures router and store together.
  redis: ['broker', 'protocol', 'topics', 'records', 'ioredis'],
  // Messages and wills as bytes, as nodes tell them each other and stores keep them.
  records: ['broker', 'protocol', 'topics'],
  // What stands in the file of an LmdbStore.
  disk: ['broker', 'protocol', 'topics', 'records', 'lmdb'],
  routers: ['broker', 'protocol', 'topics', 'redis'],
  stores: ['broker', 'protocol', 'topics', 'records', 'redis', 'disk'],
  auth: ['broker', 'protocol', 'topics', 'jose'],
  // An application on the public API.
  cli: ['the Nest face', '@nestjs', 'reflect-metadata'],
  // What curl's own test server does, and nothing of ours.
  scripted: ['broker', 'protocol'],
  // The Nest face: what stands in lib/ itself.
  '': [
    'protocol',
    'topics',
    'broker',
    'listeners',
    'redis',
    'routers',
    'stores',
    'auth',
    'scripted',
    '@nestjs',
    'rxjs',
  ],
};

/** `import … from`, `export … from`, imports for their effect, and those at run time; not one in the text of an error. */
const importPattern =
  /^(?:import|export)\s[\w\s*{},]*?\bfrom '(?<from>[^']+)';|^import '(?<effect>[^']+)';|(?<!")\bimport\('(?<later>[^']+)'\)/gm;

/** What a file imports: folders of lib/ and packages, without `node:` and its own folder. */
function importsOf(path: string): string[] {
  const specifiers = [...textOf(path).matchAll(importPattern)].map(({ groups }) => Object.values(groups!).join(''));
  return specifiers
    .filter((specifier) => !specifier.startsWith('node:'))
    .map((specifier) => {
      if (!specifier.startsWith('.')) return specifier.split('/')[0];
      const folder = folderOf(relative(lib, join(lib, dirname(path), specifier)));
      return folder === '' ? 'the Nest face' : folder;
    })
    .filter((from) => from !== folderOf(path) && !(from === 'the Nest face' && folderOf(path) === ''));
}

describe('lib/', () => {
  it('has no folder without a rule, and no rule without a file', () => {
    expect([...new Set(files.map(folderOf))].sort()).toEqual(Object.keys(mayImport).sort());
  });

  it('is read as it is written: the imports of known files are found', () => {
    expect(importsOf('index.ts')).toContain('broker');
    expect(importsOf('mqttd.module.ts')).toContain('@nestjs');
    expect(importsOf('broker/handlers/connect.ts')).toContain('protocol');
  });

  it.each(files)('%s imports only what its folder may', (path) => {
    expect(importsOf(path).filter((from) => !mayImport[folderOf(path)].includes(from))).toEqual([]);
  });

  it.each(files.filter((path) => path.startsWith('cli/')))(
    '%s imports nothing but the public API and the version',
    (path) => {
      const outside = [...textOf(path).matchAll(/from '\.\.\/(.+)'/g)].map(([, from]) => from);
      expect(outside.filter((from) => from !== 'index.js' && from !== 'mqttd.version.js')).toEqual([]);
    },
  );

  it.each(files)('%s has at most 400 lines', (path) => {
    expect(textOf(path).trimEnd().split('\n').length).toBeLessThanOrEqual(400);
  });

  it.each(files)('%s says import.meta nowhere: it is built as CommonJS too', (path) => {
    expect(textOf(path)).not.toContain('import.meta');
  });
});
