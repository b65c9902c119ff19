import { Auth, type AuthExchange, type AuthStep, type Login, type Verdict } from '../../lib/broker/auth.js';
import { PacketType, type AuthPacket } from '../../lib/protocol/packets.js';
import type { TestBroker } from './test-broker.js';
import type { WireClient } from './wire-client.js';

/** Lets everybody in and remembers what they showed. */
export class RecordingAuth extends Auth {
  readonly logins: Login[] = [];

  override authenticate(login: Login): true {
    this.logins.push({ ...login, password: login.password && Buffer.from(login.password) });
    return true;
  }
}

/** Gives one client id a verdict of its own, at once or later; everybody else may do everything. */
export class VerdictAuth extends Auth {
  constructor(
    private readonly clientId: string,
    private readonly verdict: Verdict | Promise<Verdict> | (() => Verdict),
  ) {
    super();
  }

  override authenticate({ clientId }: Login): Verdict | Promise<Verdict> {
    if (clientId !== this.clientId) return true;
    return typeof this.verdict === 'function' ? this.verdict() : this.verdict;
  }
}

/** What an exchange of `ChallengeAuth` ends with, unless `answer` is wrong. */
export interface ChallengeOptions {
  /** Answers through promises. */
  readonly isAsync?: boolean;
  /** Reason Code of a refusal; absent, the broker chooses. */
  readonly reasonCode?: number;
}

/**
 * Enhanced authentication in two steps: whatever comes first is asked `challenge`, the right answer is `answer`.
 *
 * The only method is `CHALLENGE`; every call of `exchange` is remembered.
 */
export class ChallengeAuth extends Auth {
  readonly methods: string[] = [];
  /** The data of each step, in order. */
  readonly steps: (string | undefined)[] = [];
  isOffered = true;

  constructor(private readonly options: ChallengeOptions = {}) {
    super();
  }

  override authenticate(): true {
    return true;
  }

  override exchange(name: string): AuthExchange | undefined {
    this.methods.push(name);
    if (name !== 'CHALLENGE' || !this.isOffered) return undefined;
    let isAsked = false;
    return {
      step: (data) => {
        this.steps.push(data?.toString());
        const step = isAsked ? this.judge(data) : challenge;
        isAsked = true;
        return this.options.isAsync ? Promise.resolve(step) : step;
      },
    };
  }

  private judge(data: Buffer | undefined): AuthStep {
    if (data?.toString() === 'answer') return { type: 'success', data: Buffer.from('welcome'), username: 'ann' };
    const { reasonCode } = this.options;
    return reasonCode === undefined ? { type: 'failure' } : { type: 'failure', reasonCode };
  }
}

const challenge: AuthStep = { type: 'continue', data: Buffer.from('challenge') };

/** The property that names the method of `ChallengeAuth`. */
export const method = { authenticationMethod: 'CHALLENGE' } as const;

/** A client that has sent its CONNECT with the method and was asked `challenge`. */
export async function challenged(broker: TestBroker): Promise<{ client: WireClient; auth: AuthPacket }> {
  const client = await broker.open();
  client.sendConnect({ properties: method });
  const properties = { ...method, authenticationData: Buffer.from('challenge') };
  const auth = await client.expect({ type: PacketType.AUTH, reasonCode: 0x18, properties });
  return { client, auth: auth as AuthPacket };
}
