import type { Broker } from '../broker/broker.js';
import type { RedisLink } from './redis-link.js';
import type { NodeSettings, RedisKeys } from './redis-options.js';
import type { RedisRoutes } from './redis-routes.js';

/** The sign of life of this node, and the look at that of the others: who has none any more is given up. */
export class RedisNodeLease {
  /** Before this time no node is given up: while Redis was away nobody could renew. */
  private patientUntil = 0;
  /** When the lease was renewed last, by the monotonic clock: before Redis was asked, so that it is never too late. */
  private renewedAt = 0;

  constructor(
    private readonly keys: RedisKeys,
    private readonly settings: NodeSettings,
    private readonly routes: RedisRoutes,
    private readonly broker: () => Broker,
    private readonly inherit: (link: RedisLink, node: string) => Promise<void>,
  ) {}

  /** Whether the lease may run out before it can be renewed: two thirds of its time are over. */
  get isOld(): boolean {
    return performance.now() - this.renewedAt > (this.settings.leaseMs * 2) / 3;
  }

  /** Redis has just been reached: this node lives, and all others are given the time of a lease. */
  async assert(link: RedisLink): Promise<void> {
    this.patientUntil = performance.now() + this.settings.leaseMs;
    await this.renew(link);
  }

  /**
   * Renews the lease, reads what was missed of others, and gives up those whose lease has run out.
   * @throws Error when this node was given up itself: its stream is gone, all has to be asserted again
   */
  async beat(link: RedisLink): Promise<void> {
    const { routes, keys } = this;
    if (!(await this.renew(link)))
      throw new Error('the lease of this node had run out, messages for it may be missing');
    if (routes.isStale) await routes.writeAll(link);
    const names = await routes.others(link);
    if (performance.now() >= this.patientUntil) routes.keepOnly(names);
    if (names.length === 0) return;
    const versions = await link.commands.mget(names.map((name) => keys.lease(name)));
    for (const [index, name] of names.entries()) {
      const version = versions[index];
      if (version === null) await this.giveUp(link, name);
      else if (Number(version) > (routes.nodes.get(name)?.version ?? -1)) await routes.read(link, name);
    }
  }

  /** False when the lease had run out. */
  private async renew(link: RedisLink): Promise<boolean> {
    const { keys, routes, settings } = this;
    const askedAt = performance.now();
    const before = await link.commands.set(keys.lease(routes.name), routes.version, 'PX', settings.leaseMs, 'GET');
    this.renewedAt = askedAt;
    return before !== null;
  }

  private async giveUp(link: RedisLink, name: string): Promise<void> {
    if (performance.now() < this.patientUntil) return;
    this.routes.drop(name);
    if (await link.commands.exists(this.keys.lease(name))) return;
    // First what it leaves behind: who dies over that leaves it to the next.
    await this.inherit(link, name);
    if (await this.routes.erase(link, name, 'if its lease has run out'))
      this.broker().log.warn(`node gone node=${name}: its lease has run out`);
  }
}
