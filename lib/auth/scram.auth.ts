import { createHash, createHmac, pbkdf2, pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { Auth, type AuthExchange, type AuthStep } from '../broker/auth.js';
import { ReasonCode } from '../protocol/reason-codes.js';

/** What a server keeps of a password (RFC 5802, 3): made by `hashScramPassword`, or the password itself. */
export type ScramEntry = string | { readonly password: string };

/**
 * Enhanced authentication by the method `SCRAM-SHA-256` (RFC 7677): the password never crosses the wire, and the client
 * learns that the broker knows it too. Names and passwords are taken as UTF-8, without SASLprep.
 *
 * MQTT 5 only: a CONNECT without the method is refused.
 * @throws TypeError for an entry that is neither a hash nor `{ password }`
 */
export class ScramAuth extends Auth {
  private readonly users = new Map<string, StoredKeys>();
  private readonly decoySecret = randomBytes(32);

  constructor(users: Readonly<Record<string, ScramEntry>>) {
    super();
    for (const [name, entry] of Object.entries(users)) this.users.set(name, parseEntry(name, entry));
  }

  override authenticate(): number {
    return ReasonCode.BadAuthenticationMethod;
  }

  override exchange(method: string): AuthExchange | undefined {
    return method === 'SCRAM-SHA-256' ? new ScramExchange((name) => this.keysOf(name), this.makeNonce()) : undefined;
  }

  /** The server's part of the nonce: printable ASCII without a comma. */
  protected makeNonce(): string {
    return randomBytes(18).toString('base64');
  }

  /** A name that nobody has gets a salt too, the same each time, so that asking does not tell. */
  private keysOf(name: string): StoredKeys {
    const known = this.users.get(name);
    if (known) return known;
    const salt = createHmac('sha256', this.decoySecret).update(name).digest().subarray(0, 16);
    return { salt, iterations: defaultIterations, storedKey: randomBytes(32), serverKey: randomBytes(32) };
  }
}

/** The entry to put into the configuration: `scram$iterations$salt$storedKey$serverKey`, bytes in base64. */
export async function hashScramPassword(password: string, iterations = defaultIterations): Promise<string> {
  const salt = randomBytes(16);
  const salted = await promisify(pbkdf2)(password, salt, iterations, 32, 'sha256');
  const { storedKey, serverKey } = keysFrom(salted);
  return ['scram', iterations, ...[salt, storedKey, serverKey].map((bytes) => bytes.toString('base64'))].join('$');
}

interface StoredKeys {
  readonly salt: Buffer;
  readonly iterations: number;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

/** client-first, server-first, client-final, server-final (RFC 5802, 5). */
class ScramExchange implements AuthExchange {
  private clientFirst:
    { name: string; bare: string; header: string; keys: StoredKeys; serverFirst: string } | undefined;

  constructor(
    private readonly keysOf: (name: string) => StoredKeys,
    private readonly nonce: string,
  ) {}

  step(data: Buffer | undefined): AuthStep {
    const message = data?.toString('utf8') ?? '';
    return this.clientFirst ? this.final(message, this.clientFirst) : this.first(message);
  }

  private first(message: string): AuthStep {
    // No channel binding (`n`), or the client could have bound but thinks that we cannot (`y`); no authzid.
    const parts = /^([ny],,)(n=([^,]+),r=([\x21-\x2b\x2d-\x7e]+))$/.exec(message);
    if (!parts) return refused;
    const [, header, bare, escapedName, clientNonce] = parts;
    const name = escapedName.replaceAll('=2C', ',').replaceAll('=3D', '=');
    const keys = this.keysOf(name);
    const serverFirst = `r=${clientNonce}${this.nonce},s=${keys.salt.toString('base64')},i=${keys.iterations}`;
    this.clientFirst = { name, bare, header, keys, serverFirst };
    return { type: 'continue', data: Buffer.from(serverFirst) };
  }

  private final(
    message: string,
    { name, bare, header, keys, serverFirst }: NonNullable<typeof this.clientFirst>,
  ): AuthStep {
    const parts = /^(c=([^,]+),r=([^,]+)),p=([^,]+)$/.exec(message);
    if (!parts) return refused;
    const [, withoutProof, binding, nonce, proof] = parts;
    const isBound = binding === Buffer.from(header).toString('base64');
    const isFresh = serverFirst.startsWith(`r=${nonce},`);
    const authMessage = `${bare},${serverFirst},${withoutProof}`;
    // ClientKey = ClientProof XOR ClientSignature, and its hash is what we keep.
    const signature = hmac(keys.storedKey, authMessage);
    const given = Buffer.from(proof, 'base64');
    if (given.length !== signature.length || !isBound || !isFresh) return refused;
    const clientKey = given.map((byte, index) => byte ^ signature[index]);
    if (!timingSafeEqual(sha256(clientKey), keys.storedKey)) return refused;
    const verifier = hmac(keys.serverKey, authMessage).toString('base64');
    return { type: 'success', data: Buffer.from(`v=${verifier}`), username: name };
  }
}

const refused: AuthStep = { type: 'failure', reasonCode: ReasonCode.NotAuthorized };
const defaultIterations = 4096;

const hmac = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest();
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();

function keysFrom(salted: Buffer): { storedKey: Buffer; serverKey: Buffer } {
  return { storedKey: sha256(hmac(salted, 'Client Key')), serverKey: hmac(salted, 'Server Key') };
}

function parseEntry(name: string, entry: ScramEntry): StoredKeys {
  if (typeof entry === 'object' && typeof entry?.password === 'string') {
    const salt = randomBytes(16);
    const salted = pbkdf2Sync(entry.password, salt, defaultIterations, 32, 'sha256');
    return { salt, iterations: defaultIterations, ...keysFrom(salted) };
  }
  const parts = typeof entry === 'string' ? /^scram\$(\d+)\$([^$]+)\$([^$]+)\$([^$]+)$/.exec(entry) : null;
  if (!parts) {
    throw new TypeError(
      `the entry of ${JSON.stringify(name)} is neither a hash made by hashScramPassword() nor { password: '...' }`,
    );
  }
  const [salt, storedKey, serverKey] = parts.slice(2).map((part) => Buffer.from(part, 'base64'));
  return { iterations: Number(parts[1]), salt, storedKey, serverKey };
}
