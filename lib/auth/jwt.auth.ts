import { createPublicKey, type KeyObject } from 'node:crypto';
import type { JWTPayload, JWTVerifyGetKey, JWTVerifyOptions } from 'jose';
import type { Identity, Login, Verdict } from '../broker/auth.js';
import type { Client } from '../broker/client.js';
import { optionalPackage } from '../broker/optional-package.js';
import { ReasonCode } from '../protocol/reason-codes.js';
import { RuledAuth } from './ruled.auth.js';
import { TopicPermissions, type TopicRules } from './topic-rules.js';

/** What a token has to be signed with, and what it has to say. Exactly one of `secret`, `publicKey` and `jwksUri`. */
export interface JwtAuthOptions {
  /** For HS256, HS384 and HS512; at least 32 bytes. */
  readonly secret?: string | Buffer | undefined;
  /** PEM text, for RS, PS, ES and EdDSA. */
  readonly publicKey?: string | Buffer | undefined;
  /** Where the issuer publishes its public keys; they are fetched when a token names one that is not known yet. */
  readonly jwksUri?: string | undefined;
  /** Algorithms that are taken. Default all those that belong to the kind of key. */
  readonly algorithms?: readonly string[] | undefined;
  /** The claim `iss` must be this, or one of these. */
  readonly issuer?: string | readonly string[] | undefined;
  /** The claim `aud` must hold this, or one of these. */
  readonly audience?: string | readonly string[] | undefined;
  /** The claim that is the user name. Default `sub`; a token without it is refused. */
  readonly usernameClaim?: string | undefined;
  /** The claim that the client id has to equal, so that rules may trust in `%c`. Default none. */
  readonly clientIdClaim?: string | undefined;
  /** The claim that holds the topic rules of the client, as `{ publish: [...], subscribe: [...], deny: [...] }`. Default `mqtt`. */
  readonly rulesClaim?: string | undefined;
  /** For tokens without that claim. Default: everything is allowed. */
  readonly rules?: TopicRules | undefined;
  /** Seconds by which clocks may differ. Default 5. */
  readonly clockToleranceSeconds?: number | undefined;
}

/**
 * JSON Web Tokens (RFC 7519) as passwords; whatever user name stands beside one counts for nothing.
 *
 * The connection ends when its token does (`exp`), with 0xA0. Handlers find the claims in `client.claims`. Needs the package
 * `jose`.
 * @throws TypeError for options that contradict each other, a key that cannot be read, a rule that is no topic filter
 */
export class JwtAuth extends RuledAuth {
  private readonly key: Uint8Array | KeyObject | undefined;
  private readonly checks: JWTVerifyOptions;
  private readonly common: TopicPermissions;
  private readonly own = new WeakMap<object, TopicPermissions>();
  private verify: ((token: string) => Promise<JWTPayload>) | undefined;

  constructor(private readonly options: JwtAuthOptions) {
    super();
    const { issuer, audience, clockToleranceSeconds = 5, rules = {} } = options;
    this.key = keyOf(options);
    const algorithms = options.algorithms ?? (options.secret === undefined ? asymmetric : symmetric);
    this.checks = {
      algorithms: [...algorithms],
      clockTolerance: clockToleranceSeconds,
      ...(issuer !== undefined && { issuer: typeof issuer === 'string' ? issuer : [...issuer] }),
      ...(audience !== undefined && { audience: typeof audience === 'string' ? audience : [...audience] }),
    };
    this.common = new TopicPermissions(rules, 'auth.jwt.rules');
  }

  /** @throws Error (as a rejection) with code MISSING_PACKAGE */
  override async open(): Promise<void> {
    const { jwtVerify, createRemoteJWKSet } = await optionalPackage('auth.jwt', 'jose', () => import('jose'));
    const { checks, key, options } = this;
    const keys: JWTVerifyGetKey | undefined = key ? undefined : createRemoteJWKSet(new URL(options.jwksUri!));
    this.verify = async (token) =>
      (keys ? await jwtVerify(token, keys, checks) : await jwtVerify(token, key!, checks)).payload;
  }

  override async authenticate({ clientId, password }: Login): Promise<Verdict> {
    const claims = await this.claimsOf(password);
    const { usernameClaim = 'sub', clientIdClaim } = this.options;
    const username = claims?.[usernameClaim];
    if (!claims || typeof username !== 'string' || username === '') return false;
    if (clientIdClaim !== undefined && claims[clientIdClaim] !== clientId) return ReasonCode.ClientIdentifierNotValid;
    if (!this.readRules(claims)) return ReasonCode.NotAuthorized;
    const { exp } = claims;
    const tolerance = Number(this.checks.clockTolerance);
    return {
      username,
      claims,
      ...(exp !== undefined && { validUntil: new Date((exp + tolerance) * 1000) }),
    } satisfies Identity;
  }

  protected override permissionsOf({ claims }: Client): TopicPermissions {
    return (claims && this.own.get(claims)) ?? this.common;
  }

  /** Whether the issuer can be reached is as little the client's business as why its token is not taken. */
  private async claimsOf(token: Buffer | undefined): Promise<JWTPayload | undefined> {
    if (!token || !this.verify) return undefined;
    try {
      return await this.verify(token.toString('latin1'));
    } catch {
      return undefined;
    }
  }

  /** False for rules that cannot be understood: they must not count as none. */
  private readRules(claims: JWTPayload): boolean {
    const rules = claims[this.options.rulesClaim ?? 'mqtt'];
    if (rules === undefined) return true;
    if (!isRules(rules)) return false;
    try {
      this.own.set(claims, new TopicPermissions(rules, 'the rules of a token'));
      return true;
    } catch {
      return false;
    }
  }
}

const symmetric = ['HS256', 'HS384', 'HS512'];
const asymmetric = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];

function keyOf({ secret, publicKey, jwksUri }: JwtAuthOptions): Uint8Array | KeyObject | undefined {
  const given = [secret, publicKey, jwksUri].filter((one) => one !== undefined);
  if (given.length !== 1) {
    throw new TypeError(`auth.jwt: has ${given.length} of secret, publicKey and jwksUri; give exactly one of them`);
  }
  if (secret !== undefined) {
    const key = typeof secret === 'string' ? new TextEncoder().encode(secret) : secret;
    if (key.length >= leastSecretBytes) return key;
    throw new TypeError(`auth.jwt.secret: has ${key.length} bytes; use at least ${leastSecretBytes}`);
  }
  if (publicKey === undefined) {
    if (URL.canParse(String(jwksUri))) return undefined;
    throw new TypeError(`auth.jwt.jwksUri: ${JSON.stringify(jwksUri)} is not a URL`);
  }
  try {
    return createPublicKey(publicKey);
  } catch (error) {
    throw new TypeError('auth.jwt.publicKey: cannot be read; give the PEM text of a public key or certificate', {
      cause: error,
    });
  }
}

/** RFC 7518, 3.2: a key for HS256 is not shorter than its hash. */
const leastSecretBytes = 32;

const isRules = (rules: unknown): rules is TopicRules => {
  if (typeof rules !== 'object' || rules === null || Array.isArray(rules)) return false;
  return Object.entries(rules).every(([name, list]) => ruleNames.includes(name) && Array.isArray(list));
};

const ruleNames = ['publish', 'subscribe', 'deny'];
