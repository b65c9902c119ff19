import type { Auth } from './auth.js';
import type { Broker } from './broker.js';
import type { Client } from './client.js';
import { Entrance } from './entrance.js';
import type { Listener } from './listener.js';

/** The entrance of each listener, and the Auths that speak for those who have come by them. */
export class Entrances {
  /** For who comes by no listener. */
  readonly common: Entrance;
  private readonly byListener: ReadonlyMap<Listener, Entrance>;
  private readonly stops: (() => void)[] = [];

  constructor(
    private readonly broker: Broker,
    listeners: readonly Listener[],
  ) {
    this.common = new Entrance({}, broker);
    this.byListener = new Map(listeners.map((listener) => [listener, new Entrance(listener.entrance, broker)]));
  }

  [Symbol.iterator](): IterableIterator<[Listener, Entrance]> {
    return this.byListener[Symbol.iterator]();
  }

  of(listener: Listener): Entrance {
    return this.byListener.get(listener) ?? this.common;
  }

  /** Who decides about a client, also when it is gone; one of another node has come by none of ours. */
  authOf({ listener }: Client): Auth {
    for (const [{ name }, entrance] of this.byListener) if ((entrance.name ?? name) === listener) return entrance.auth;
    return this.common.auth;
  }

  /** Each Auth speaks for the clients of its own entrances. */
  async openAuths(): Promise<void> {
    const entrances = [this.common, ...this.byListener.values()];
    for (const auth of new Set(entrances.map((entrance) => entrance.auth))) {
      const isOurs = ({ username }: Client, entrance: Entrance, named: string | undefined): boolean =>
        entrance.auth === auth && (named === undefined || username === named);
      this.stops.push(
        auth.watch({
          reauthorize: (named) => this.broker.reauthorizeWhere((client, entrance) => isOurs(client, entrance, named)),
          revoke: (named) => void this.broker.revokeWhere((client, entrance) => isOurs(client, entrance, named)),
        }),
      );
      await auth.open();
    }
  }

  closeAuths(): void {
    for (const stop of this.stops.splice(0)) stop();
  }
}
