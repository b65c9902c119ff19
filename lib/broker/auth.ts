import type { Client, Peer } from './client.js';

/** What a CONNECT brought to prove who it is. */
export interface Login extends Peer {
  /** Empty when the broker assigns one. */
  readonly clientId: string;
  readonly username: string | undefined;
  /** Never logged; the bytes are gone after the decision. */
  readonly password: Buffer | undefined;
}

/** true, false, or the Reason Code of MQTT 5 that the client is told (3.1 and 3.1.1 get the nearest return code). */
export type Verdict = boolean | number;

/** One enhanced authentication of one client. */
export interface AuthExchange {
  /**
   * The next message of the client, the first being the Authentication Data of its CONNECT or AUTH.
   * A rejection of the promise refuses the client.
   */
  step(data: Buffer | undefined): AuthStep | Promise<AuthStep>;
}

/** What follows: ask on, let in (as `username`, if the method tells who it is), or refuse (default 0x87). */
export type AuthStep =
  | { readonly type: 'continue'; readonly data?: Buffer }
  | { readonly type: 'success'; readonly data?: Buffer; readonly username?: string }
  | { readonly type: 'failure'; readonly reasonCode?: number };

/**
 * Who may connect, publish and subscribe. The class is type and DI token at once.
 *
 * Answer synchronously where you can: a promise parks the packets of that one client until it settles, a rejection
 * refuses (CONNECT) or closes the connection.
 */
export abstract class Auth {
  /** Decides on a CONNECT; false is 0x86 Bad User Name or Password. */
  abstract authenticate(login: Login): Verdict | Promise<Verdict>;

  /**
   * Starts an enhanced authentication (MQTT 5, 4.12) by the method that a CONNECT names, or a re-authentication.
   * @returns undefined for a method that is not offered: the client gets 0x8C
   */
  exchange(_method: string, _login: Login): AuthExchange | undefined {
    return undefined;
  }

  /** Whether `client` may publish to `topic`, its will included; asked for each message. */
  mayPublish(_client: Client, _topic: string): boolean | Promise<boolean> {
    return true;
  }

  /** Whether `client` may subscribe to `filter`, which has no `$share/group/` in front. */
  maySubscribe(_client: Client, _filter: string): boolean | Promise<boolean> {
    return true;
  }
}
