import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './samples.js';

/** The text of a file's code blocks in a language, in their order. */
export function codeBlocks(path: string, language: string): string[] {
  const text = readFileSync(join(root, path), 'utf8');
  return [...text.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 'gs'))].map(([, block]) => block);
}
