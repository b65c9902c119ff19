import { createHash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { Auth, type Login } from '../broker/auth.js';

/** A hash made by `hashPassword`, or the password itself (for development). */
export type UserEntry = string | { readonly password: string };

/**
 * User names and passwords.
 *
 * scrypt is slow on purpose (tens of milliseconds on the thread pool), so a password that was right is remembered
 * as a keyed digest, and ten thousand devices that reconnect do not each cost it again.
 * @throws TypeError for an entry that is neither a hash nor `{ password }`
 */
export class CredentialsAuth extends Auth {
  private readonly users = new Map<string, StoredPassword>();
  private readonly proven = new Map<string, Buffer>();
  private readonly digestKey = randomBytes(32);

  constructor(users: Readonly<Record<string, UserEntry>>) {
    super();
    for (const [name, entry] of Object.entries(users)) this.users.set(name, parseEntry(name, entry));
  }

  override async authenticate({ username, password }: Login): Promise<boolean> {
    const stored = username === undefined ? undefined : this.users.get(username);
    const given = password ?? Buffer.alloc(0);
    const digest = createHash('sha256').update(this.digestKey).update(given).digest();
    const proven = username === undefined ? undefined : this.proven.get(username);
    if (proven && timingSafeEqual(proven, digest)) return true;
    // An unknown user costs the same time as a wrong password.
    const isRight = await (stored ?? decoy).verify(given);
    if (!stored || !isRight) return false;
    this.proven.set(username!, digest);
    return true;
  }
}

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
  if (typeof entry === 'object' && typeof entry?.password === 'string') return plainPassword(entry.password);
  const parts =
    typeof entry === 'string' ? /^scrypt\$(\d+)\$(\d+)\$(\d+)\$([\w-]{8,})\$([\w-]{16,})$/.exec(entry) : null;
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
