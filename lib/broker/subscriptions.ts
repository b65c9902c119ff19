import { parseShare } from '../topics/topic-names.js';
import type { Subscription, TopicTree } from '../topics/topic-tree.js';
import type { Message } from './message.js';
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
    // [MQTT-3.8.4-3] the same filter replaces
    const isNew = !session.subscriptions.has(filter);
    if (isNew) session.subscriptionBytes += filter.length;
    session.subscriptions.set(filter, subscription);
    this.store.saveSubscription(session, filter, subscription);
    if (subscription.share === undefined) {
      this.tree.subscribe(session, subscription);
      if (isNew) this.router.subscribed(filter);
    } else {
      const share = this.share(filter);
      share.join(session, subscription);
      this.announce(filter, share);
    }
    return isNew;
  }

  /** [MQTT-3.10.4-1] compared character by character. */
  remove(session: Session, filter: string): boolean {
    if (!session.subscriptions.has(filter)) return false;
    const share = this.take(session, filter);
    if (share) session.handBack(new Set([share]));
    return true;
  }

  /** The session ends: what it has not finished for its groups goes to the others. */
  removeAll(session: Session): void {
    const shares = new Set<SharedSubscription>();
    for (const filter of session.subscriptions.keys()) {
      const share = this.take(session, filter);
      if (share) shares.add(share);
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

  /** Takes a subscription away; of a shared one, the group that the session has left. */
  private take(session: Session, filter: string): SharedSubscription | undefined {
    const { share: isShared } = session.subscriptions.get(filter)!;
    session.subscriptions.delete(filter);
    session.subscriptionBytes -= filter.length;
    this.store.deleteSubscription(session, filter);
    if (isShared === undefined) {
      this.tree.unsubscribe(session, filter);
      this.router.unsubscribed(filter);
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

  /** Another node has chosen this one: a member of the group gets the message. False when there is no such group. */
  handOut(filter: string, message: Message): boolean {
    const share = this.shares.get(filter);
    share?.handOut(message);
    return share !== undefined;
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
