import { createHash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import type { Identity, Login } from '../broker/auth.js';
import type { Client } from '../broker/client.js';
import { RuledAuth } from './ruled.auth.js';
import { TopicPermissions, type TopicRules } from './topic-rules.js';

/** A hash made by `hashPassword`, alone or with rules; or the password itself (for development). */
export type UserEntry = string | (TopicRules & ({ readonly hash: string } | { readonly password: string }));

/**
 * User names and passwords, and where each may publish and subscribe.
 *
 * scrypt is slow on purpose (tens of milliseconds on the thread pool), so a password that was right is remembered
 * as a keyed digest, and ten thousand devices that reconnect do not each cost it again.
 * Users may change at any time: connected clients are held to it at once.
 * @throws TypeError for an entry that has neither a hash nor a password, and for a rule that is no topic filter
 */
export class CredentialsAuth extends RuledAuth {
  private readonly users = new Map<string, StoredPassword>();
  private readonly permissions = new Map<string, TopicPermissions>();
  private readonly common: TopicPermissions;
  private readonly proven = new Map<string, Buffer>();
  private readonly digestKey = randomBytes(32);

  private readonly takesCertificates: boolean;

  /**
   * @param rules for users without rules of their own
   * @param certificates whether a client whose certificate the listener has verified is let in without a password, as the
   *   user of its common name. Default false.
   */
  constructor(users: Readonly<Record<string, UserEntry>>, rules: TopicRules = {}, certificates = false) {
    super();
    this.takesCertificates = certificates;
    this.common = new TopicPermissions(rules, 'auth.rules');
    for (const [name, entry] of Object.entries(users)) this.set(name, entry);
  }

  /**
   * A user that is new, or has another password or other rules from now on. Clients of that name stay connected, and lose
   * the subscriptions that they may not have any more.
   * @throws TypeError as the constructor
   */
  set(name: string, entry: UserEntry): void {
    const stored = parseEntry(name, entry);
    const rules = typeof entry === 'object' && (entry.publish || entry.subscribe || entry.deny) ? entry : undefined;
    const permissions = rules && new TopicPermissions(rules, `auth.users[${JSON.stringify(name)}]`);
    this.forget(name);
    this.users.set(name, stored);
    if (permissions) this.permissions.set(name, permissions);
    this.reauthorize(name);
  }

  /** Nobody connects with a password under this name any more, and who is connected is sent away. */
  delete(name: string): void {
    this.forget(name);
    this.revoke(name);
  }

  private forget(name: string): void {
    this.users.delete(name);
    this.permissions.delete(name);
    this.proven.delete(name);
  }

  protected override permissionsOf({ username = '' }: Client): TopicPermissions {
    const own = this.permissions.get(username);
    if (own) return own;
    return this.users.has(username) || this.takesCertificates ? this.common : none;
  }

  override authenticate(login: Login): Identity | Promise<boolean> {
    const { certificateName } = login;
    if (this.takesCertificates && certificateName !== undefined) return { username: certificateName };
    return this.isPasswordRight(login);
  }

  private async isPasswordRight({ username, password }: Login): Promise<boolean> {
    const stored = username === undefined ? undefined : this.users.get(username);
    const given = password ?? Buffer.alloc(0);
    const digest = createHash('sha256').update(this.digestKey).update(given).digest();
    const proven = username === undefined ? undefined : this.proven.get(username);
    if (stored && proven && timingSafeEqual(proven, digest)) return true;
    // An unknown user costs the same time as a wrong password.
    const isRight = await (stored ?? decoy).verify(given);
    // It may have been changed meanwhile.
    if (!stored || !isRight || this.users.get(username!) !== stored) return false;
    this.proven.set(username!, digest);
    return true;
  }
}

/** For who is nobody any more. */
const none = new TopicPermissions({ publish: [], subscribe: [] }, '');

/**
 * The hash to put into the configuration instead of a password: `scrypt$N$r$p$salt$key`, salt and key in base64url.
 */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const key = await derive(Buffer.from(password), salt, defaultCost);
  const { N, r, p } = defaultCost;
  return ['scrypt', N, r, p, salt.toString('base64url'), key.toString('base64url')].join('$');
}

interface StoredPassword {
  verify(given: Buffer): Promise<boolean>;
}

interface Cost {
  readonly N: number;
  readonly r: number;
  readonly p: number;
}

const defaultCost: Cost = { N: 16_384, r: 8, p: 1 };
const keyBytes = 32;

function parseEntry(name: string, entry: UserEntry): StoredPassword {
  const { password, hash } = { password: undefined, hash: entry, ...(typeof entry === 'object' && entry) };
  if (typeof password === 'string') return plainPassword(password);
  const parts = typeof hash === 'string' ? /^scrypt\$(\d+)\$(\d+)\$(\d+)\$([\w-]{8,})\$([\w-]{16,})$/.exec(hash) : null;
  if (!parts) {
    throw new TypeError(
      `auth.users[${JSON.stringify(name)}] is neither a hash made by hashPassword() nor { password: '...' }; ` +
        `run: node -e "import('nestjs-mqttd').then(m => m.hashPassword('secret')).then(console.log)"`,
    );
  }
  const [N, r, p] = parts.slice(1, 4).map(Number);
  return hashedPassword({ N, r, p }, Buffer.from(parts[4], 'base64url'), Buffer.from(parts[5], 'base64url'));
}

const hashedPassword = (cost: Cost, salt: Buffer, key: Buffer): StoredPassword => ({
  verify: async (given) => timingSafeEqual(await derive(given, salt, cost, key.length), key),
});

function plainPassword(password: string): StoredPassword {
  const salt = randomBytes(16);
  const key = derive(Buffer.from(password), salt, defaultCost);
  return { verify: async (given) => timingSafeEqual(await derive(given, salt, defaultCost), await key) };
}

const derive = (password: Buffer, salt: Buffer, cost: Cost, length = keyBytes): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const options = { ...cost, maxmem: 256 * cost.N * cost.r };
    scrypt(password, salt, length, options, (error, key) => (error ? reject(error) : resolve(key)));
  });

/** Stands in for the password of a user who does not exist. */
const decoy = hashedPassword(defaultCost, Buffer.alloc(16), Buffer.alloc(keyBytes));
