import type { Subscription, Target, TopicTree } from '../topics/topic-tree.js';
import { parseShare } from '../topics/topic-names.js';
import type { Message } from './message.js';
import type { Subscriber } from './router.js';
import type { Session } from './session.js';
import type { Store } from './store.js';

/** What sessions have subscribed to: the topic tree, the groups of Shared Subscriptions, and the store told of both. */
export class Subscriptions {
  private readonly shares = new Map<string, SharedSubscription>();

  constructor(
    private readonly tree: TopicTree<Subscriber>,
    private readonly store: Store,
  ) {}

  /**
   * @param filter as the client wrote it, `$share/group/` included
   * @returns whether the session had no such subscription before
   */
  add(session: Session, filter: string, subscription: Subscription): boolean {
    // [MQTT-3.8.4-3] the same filter replaces
    const isNew = !session.subscriptions.has(filter);
    session.subscriptions.set(filter, subscription);
    this.store.saveSubscription(session, subscription);
    if (subscription.share === undefined) this.tree.subscribe(session, subscription);
    else this.join(session, filter, subscription);
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

  removeAll(session: Session): void {
    for (const filter of session.subscriptions.keys()) this.remove(session, filter);
  }

  private join(session: Session, filter: string, subscription: Subscription): void {
    let share = this.shares.get(filter);
    if (!share) {
      share = new SharedSubscription();
      this.shares.set(filter, share);
      // Members differ in QoS: the group takes what comes, each member has its own.
      const forGroup = { filter: subscription.filter, qos: 2, noLocal: false, retainHandling: 2 } as const;
      this.tree.subscribe(share, { ...forGroup, retainAsPublished: true });
    }
    share.join(session, subscription);
  }

  private leave(session: Session, filter: string): void {
    const share = this.shares.get(filter);
    if (!share?.leave(session)) return;
    this.shares.delete(filter);
    this.tree.unsubscribe(share, parseShare(filter)!.filter);
  }
}

/** The members of one `$share/group/filter`, of whom each message goes to one (MQTT 5, 4.8.2): in turn, who is online. */
class SharedSubscription implements Subscriber {
  private readonly members: Target<Session>[] = [];
  private turn = 0;

  join(session: Session, { qos, retainAsPublished, identifier }: Subscription): void {
    const identifiers = identifier === undefined ? undefined : [identifier];
    const target: { -readonly [K in keyof Target<Session>]: Target<Session>[K] } = {
      subscriber: session,
      qos,
      retainAsPublished,
      identifiers,
      own: undefined,
    };
    target.own = target;
    const index = this.members.findIndex((member) => member.subscriber === session);
    if (index === -1) this.members.push(target);
    else this.members[index] = target;
  }

  /** @returns whether nobody is left */
  leave(session: Session): boolean {
    const index = this.members.findIndex((member) => member.subscriber === session);
    if (index !== -1) this.members.splice(index, 1);
    return this.members.length === 0;
  }

  deliver(message: Message): void {
    const { members } = this;
    for (let tried = 0; tried < members.length; tried++) {
      const member = members[this.turn++ % members.length];
      if (member.subscriber.connection) {
        member.subscriber.deliver(message, member);
        return;
      }
    }
    // Nobody is online: the next in turn keeps it in its session.
    const member = members[this.turn++ % members.length];
    member.subscriber.deliver(message, member);
  }
}
