import { readFileSync } from 'node:fs';
import { CredentialsAuth } from '../index.js';

/**
 * The users of a file: `NAME:HASH` on each line, empty lines and those with `#` in front left out.
 * @throws Error naming the line that is none
 */
export function readUsers(file: string): Map<string, string> {
  const users = new Map<string, string>();
  for (const [index, line] of readFileSync(file, 'utf8').split(/\r?\n/).entries()) {
    if (line === '' || line.startsWith('#')) continue;
    // A hash has no colon; a name may.
    const at = line.lastIndexOf(':');
    const [name, hash] = [line.slice(0, at), line.slice(at + 1)];
    const place = `${file}, line ${index + 1}`;
    if (at < 1) throw new Error(`${place}: is not NAME:HASH`);
    if (users.has(name)) throw new Error(`${place}: ${JSON.stringify(name)} is there twice`);
    users.set(name, checked(name, hash, place));
  }
  if (users.size === 0) throw new Error(`${file}: has no users; add a line NAME:HASH`);
  return users;
}

function checked(name: string, hash: string, place: string): string {
  try {
    new CredentialsAuth({}).set(name, hash);
    return hash;
  } catch {
    throw new Error(`${place}: the hash of ${JSON.stringify(name)} is none; make one with --hash-password`);
  }
}

/** Makes these the users: who is new may connect, who is gone is sent away, who has another password keeps a connection. */
export function replaceUsers(auth: CredentialsAuth, before: Map<string, string>, users: Map<string, string>): void {
  for (const [name, hash] of users) if (before.get(name) !== hash) auth.set(name, hash);
  for (const name of before.keys()) if (!users.has(name)) auth.delete(name);
}
