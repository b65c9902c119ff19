import { parseShare } from '../topics/topic-names.js';
import type { Subscription, TopicTree } from '../topics/topic-tree.js';
import type { Subscriber } from './router.js';
import type { Session } from './session.js';
import { makeShareStrategy, type ShareStrategy, type ShareStrategyName } from './share-strategy.js';
import { SharedSubscription } from './shared-subscription.js';
import type { Store } from './store.js';

/** What sessions have subscribed to: enters it into the topic tree and the groups that share, and tells the store. */
export class Subscriptions {
  /** By `$share/group/filter`. */
  private readonly shares = new Map<string, SharedSubscription>();

  constructor(
    private readonly tree: TopicTree<Subscriber>,
    private readonly store: Store,
    private readonly strategy: ShareStrategyName | ShareStrategy,
  ) {}

  /**
   * @param filter as the client wrote it, `$share/group/` included
   * @returns whether the session had no such subscription before
   */
  add(session: Session, filter: string, subscription: Subscription): boolean {
    // [MQTT-3.8.4-3] the same filter replaces
    const isNew = !session.subscriptions.has(filter);
    session.subscriptions.set(filter, subscription);
    this.store.saveSubscription(session, filter, subscription);
    if (subscription.share === undefined) this.tree.subscribe(session, subscription);
    else this.share(filter, subscription).join(session, subscription);
    return isNew;
  }

  /** [MQTT-3.10.4-1] compared character by character. */
  remove(session: Session, filter: string): boolean {
    const subscription = session.subscriptions.get(filter);
    if (!subscription) return false;
    session.subscriptions.delete(filter);
    this.store.deleteSubscription(session, filter);
    if (subscription.share === undefined) this.tree.unsubscribe(session, filter);
    else this.leave(session, filter);
    return true;
  }

  /** The session ends: what it has not finished for a group goes to the others. */
  removeAll(session: Session): void {
    for (const filter of session.subscriptions.keys()) this.remove(session, filter);
  }

  /** The client is away but its session stays: what was not sent yet goes to members of its groups that are online. */
  suspend(session: Session): void {
    for (const [filter, { share }] of session.subscriptions) {
      const group = share === undefined ? undefined : this.shares.get(filter);
      if (group?.isOnline) session.handBack(group);
    }
  }

  private share(filter: string, subscription: Subscription): SharedSubscription {
    const existing = this.shares.get(filter);
    if (existing) return existing;
    const share = new SharedSubscription(makeShareStrategy(this.strategy));
    this.shares.set(filter, share);
    // Members differ in their options: the group takes what comes, each member has its own.
    const everything = { qos: 2, noLocal: false, retainAsPublished: true, retainHandling: 2 } as const;
    this.tree.subscribe(share, { ...everything, filter: subscription.filter });
    return share;
  }

  private leave(session: Session, filter: string): void {
    const share = this.shares.get(filter)!;
    if (share.leave(session)) {
      this.shares.delete(filter);
      this.tree.unsubscribe(share, parseShare(filter)!.filter);
    }
    session.handBack(share);
  }
}
