import { parseShare } from '../topics/topic-names.js';
import type { Subscription } from '../topics/subscription.js';
import type { TopicTree } from '../topics/topic-tree.js';
import type { Router, SharePresence, Subscriber } from './router.js';
import type { Session } from './session.js';
import { makeShareStrategy, type ShareStrategy, type ShareStrategyName } from './share-strategy.js';
import { SharedSubscription, type ShareNode } from './shared-subscription.js';
import type { Store } from './store.js';

/** What sessions have subscribed to: enters it into the topic tree and the groups that share, and tells the store. */
export class Subscriptions {
  /** By `$share/group/filter`. */
  private readonly shares = new Map<string, SharedSubscription>();

  constructor(
    private readonly tree: TopicTree<Subscriber>,
    private readonly store: Store,
    private readonly router: Router,
    private readonly strategy: ShareStrategyName | ShareStrategy,
  ) {}

  /**
   * @param filter as the client wrote it, `$share/group/` included
   * @returns whether the session had no such subscription before
   */
  add(session: Session, filter: string, subscription: Subscription): boolean {
    const isNew = this.enter(session, filter, subscription);
    this.store.saveSubscription(session, filter, subscription);
    return isNew;
  }

  /** Enters a subscription that the store has already. */
  enter(session: Session, filter: string, subscription: Subscription): boolean {
    // [MQTT-3.8.4-3] the same filter replaces
    const replaced = session.subscriptions.get(filter);
    if (!replaced) session.subscriptionBytes += filter.length;
    session.subscriptions.set(filter, subscription);
    if (subscription.share === undefined) {
      this.tree.subscribe(session, subscription);
      if (replaced?.qos !== subscription.qos) {
        this.router.subscribed(session, subscription);
        if (replaced) this.router.unsubscribed(session, replaced);
      }
    } else {
      const share = this.share(filter);
      share.join(session, subscription);
      this.announce(filter, share);
    }
    return !replaced;
  }

  /** [MQTT-3.10.4-1] compared character by character. */
  remove(session: Session, filter: string): boolean {
    if (!session.subscriptions.has(filter)) return false;
    this.store.deleteSubscription(session, filter);
    const share = this.leave(session, filter);
    if (share) session.handBack(new Set([share]));
    return true;
  }

  /** The session ends: what it has not finished for its groups goes to the others. */
  removeAll(session: Session): void {
    const shares = new Set<SharedSubscription>();
    for (const filter of session.subscriptions.keys()) {
      this.store.deleteSubscription(session, filter);
      const share = this.leave(session, filter);
      if (share) shares.add(share);
    }
    if (shares.size > 0) session.handBack(shares);
  }

  /** The session waits in a store from now on: what was not sent yet goes to members of its groups that are online. */
  leaveAll(session: Session): void {
    const shares = new Set<SharedSubscription>();
    for (const filter of session.subscriptions.keys()) {
      const share = this.leave(session, filter);
      if (share?.isOnline) shares.add(share);
    }
    if (shares.size > 0) session.handBack(shares);
  }

  /** The client is away but its session stays: what was not sent yet goes to members of its groups that are online. */
  suspend(session: Session): void {
    const shares = new Set<SharedSubscription>();
    for (const [filter, { share }] of session.subscriptions) {
      const group = share === undefined ? undefined : this.shares.get(filter);
      if (!group) continue;
      this.announce(filter, group);
      if (group.isOnline) shares.add(group);
    }
    if (shares.size > 0) session.handBack(shares);
  }

  /** Takes a subscription away that the store has no longer, or keeps; of a shared one, the group that the session left. */
  leave(session: Session, filter: string): SharedSubscription | undefined {
    const subscription = session.subscriptions.get(filter)!;
    session.subscriptions.delete(filter);
    session.subscriptionBytes -= filter.length;
    if (subscription.share === undefined) {
      this.tree.unsubscribe(session, filter);
      this.router.unsubscribed(session, subscription);
      return undefined;
    }
    const share = this.shares.get(filter)!;
    share.leave(session);
    this.announce(filter, share);
    this.dropEmpty(filter, share);
    return share;
  }

  /** The client of a session that waited is connected again. */
  wake(session: Session): void {
    for (const [filter, { share }] of session.subscriptions) {
      if (share !== undefined) this.announce(filter, this.shares.get(filter)!);
    }
  }

  /**
   * What another node has of a group has changed.
   * @param filter `$share/group/filter`
   */
  setShareNode(filter: string, node: ShareNode, presence: SharePresence): void {
    const share = this.share(filter);
    share.setNode(node, presence);
    this.dropEmpty(filter, share);
  }

  /**
   * A member of a group whose session waits in a store.
   * @param filter `$share/group/filter`
   */
  joinAbsent(filter: string, member: Subscriber, subscription: Subscription): void {
    this.share(filter).joinAbsent(member, subscription);
  }

  leaveAbsent(filter: string, member: Subscriber): void {
    const share = this.shares.get(filter);
    if (!share) return;
    share.leaveAbsent(member);
    this.dropEmpty(filter, share);
  }

  /** The group `$share/group/filter`, where it has members. */
  group(filter: string): SharedSubscription | undefined {
    return this.shares.get(filter);
  }

  private share(filter: string): SharedSubscription {
    const existing = this.shares.get(filter);
    if (existing) return existing;
    const share = new SharedSubscription(filter, makeShareStrategy(this.strategy));
    this.shares.set(filter, share);
    // Members differ in their options: the group takes what comes, each member has its own.
    const everything = { qos: 2, noLocal: false, retainAsPublished: true, retainHandling: 2 } as const;
    this.tree.subscribe(share, { ...everything, filter: parseShare(filter)!.filter });
    return share;
  }

  private dropEmpty(filter: string, share: SharedSubscription): void {
    if (!share.isEmpty) return;
    this.shares.delete(filter);
    this.tree.unsubscribe(share, parseShare(filter)!.filter);
  }

  private announce(filter: string, share: SharedSubscription): void {
    const presence = share.presenceHere;
    if (presence === share.presence) return;
    share.presence = presence;
    this.router.shared(filter, presence);
  }
}
