import type { Subscription, Target } from '../topics/topic-tree.js';
import type { Message } from './message.js';
import type { Subscriber } from './router.js';
import type { Session } from './session.js';
import type { ShareStrategy } from './share-strategy.js';

/** The members of one `$share/group/filter`: a Subscriber that hands each message to one of them (MQTT 5, 4.8.2). */
export class SharedSubscription implements Subscriber {
  private readonly targets = new Map<Session, Target<Session>>();
  private members: Session[] = [];

  constructor(private readonly choose: ShareStrategy) {}

  /** Whether any member is connected. */
  get isOnline(): boolean {
    return this.members.some((member) => member.isOnline);
  }

  /** A session subscribes, or subscribes again with other options. */
  join(session: Session, { qos, retainAsPublished, identifier }: Subscription): void {
    const identifiers = identifier === undefined ? undefined : [identifier];
    // No Local is not allowed here ([MQTT-3.8.3-4]): a member gets its own messages too.
    const target: Target<Session> = {
      subscriber: session,
      qos,
      retainAsPublished,
      identifiers,
      get own() {
        return target;
      },
    };
    this.targets.set(session, target);
    this.members = [...this.targets.keys()];
  }

  /** @returns whether nobody is left */
  leave(session: Session): boolean {
    this.targets.delete(session);
    this.members = [...this.targets.keys()];
    return this.members.length === 0;
  }

  deliver(message: Message): void {
    const candidates = this.candidates();
    if (candidates.length === 0) return;
    const session = this.pick(candidates, message);
    session.deliver(message, this.targets.get(session)!, this);
  }

  /** A strategy of the application's that fails, or names a stranger, must not cost the message. */
  private pick(candidates: readonly Session[], message: Message): Session {
    try {
      const chosen = this.choose(candidates, message);
      return this.targets.has(chosen) ? chosen : candidates[0];
    } catch {
      return candidates[0]; // the first will do
    }
  }

  private candidates(): readonly Session[] {
    const { members } = this;
    let online = 0;
    for (const member of members) if (member.isOnline) online++;
    return online === 0 || online === members.length ? members : members.filter((member) => member.isOnline);
  }
}
