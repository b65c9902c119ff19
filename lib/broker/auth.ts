import type { Client, Peer } from './client.js';

/** What a CONNECT brought to prove who it is. */
export interface Login extends Peer {
  /** Empty when the broker assigns one. */
  readonly clientId: string;
  readonly username: string | undefined;
  /** Never logged; the bytes are gone after the decision. */
  readonly password: Buffer | undefined;
}

/** Who a client turned out to be. */
export interface Identity {
  /** Its user name from here on, whatever its CONNECT said. */
  readonly username?: string | undefined;
  /** What is known of it besides: handlers and rules see it as `client.claims`. */
  readonly claims?: Readonly<Record<string, unknown>> | undefined;
  /** When the connection ends, with 0xA0 Maximum connect time. */
  readonly validUntil?: Date | undefined;
}

/** true, false, the Reason Code of MQTT 5 that the client is told (3.1 and 3.1.1 get the nearest return code), or who it is. */
export type Verdict = boolean | number | Identity;

/** One enhanced authentication of one client. */
export interface AuthExchange {
  /**
   * The next message of the client, the first being the Authentication Data of its CONNECT or AUTH.
   * A rejection of the promise refuses the client.
   */
  step(data: Buffer | undefined): AuthStep | Promise<AuthStep>;
}

/** What follows: ask on, let in (as whom the method has found), or refuse (default 0x87). */
export type AuthStep =
  | { readonly type: 'continue'; readonly data?: Buffer }
  | ({ readonly type: 'success'; readonly data?: Buffer } & Identity)
  | { readonly type: 'failure'; readonly reasonCode?: number };

/** Whom an Auth tells that rights have changed: the broker. */
export interface RightsWatcher {
  reauthorize(username?: string): void;
  revoke(username: string): void;
}

/**
 * Who may connect, publish, subscribe and receive. The class is type and DI token at once.
 *
 * Answer synchronously where you can: a promise parks the packets of that one client until it settles, a rejection
 * refuses (CONNECT) or closes the connection.
 */
export abstract class Auth {
  /** Resolves when it can decide: before anything listens. */
  async open(): Promise<void> {}

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

  /**
   * Whether `client` may subscribe to `filter`, which has no `$share/group/` in front. Asked again when its session goes on
   * after a reconnect: a subscription that it may not have any more ends then.
   */
  maySubscribe(_client: Client, _filter: string): boolean | Promise<boolean> {
    return true;
  }

  /**
   * Whether `client` may get what is published to `topic`, by whichever subscription: live, retained, queued before a
   * reconnect, as a will or as a member of a group. Where it is left out, all that it has subscribed to.
   *
   * Synchronous, as messages do not wait; asked once for each topic of a client, until `reauthorize`.
   */
  mayReceive?(client: Client, topic: string): boolean;

  private readonly watchers = new Set<RightsWatcher>();

  /** @returns ends it */
  watch(watcher: RightsWatcher): () => void {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  }

  /**
   * Tells the broker that rights have changed, of one user or of everybody: at once `mayReceive` is asked anew, and
   * connected clients lose the subscriptions that `maySubscribe` refuses them now. Clients that are away are asked about
   * when they come back.
   */
  reauthorize(username?: string): void {
    for (const watcher of this.watchers) watcher.reauthorize(username);
  }

  /** Tells the broker that a user must go: clients of that name are sent away (0x87) at once. */
  revoke(username: string): void {
    for (const watcher of this.watchers) watcher.revoke(username);
  }
}
