import type { Target } from '../topics/match.js';
import type { Subscription } from '../topics/subscription.js';
import type { Message } from './message.js';
import { Recent } from './recent.js';
import type { SharePresence, Subscriber } from './router.js';
import type { Session } from './session.js';
import type { ShareStrategy } from './share-strategy.js';

/** Another node with members of a group. */
export interface ShareNode {
  readonly name: string;
  /** Takes a message that one of its members shall have. */
  deliverShared(message: Message, share: string): void;
}

/** The members of one `$share/group/filter`: a Subscriber that hands each message to one of them (MQTT 5, 4.8.2). */
export class SharedSubscription implements Subscriber {
  private readonly targets = new Map<Session, Target<Session>>();
  private members: Session[] = [];
  /** Members whose sessions wait in a store: they get what nobody else can take. */
  private readonly absent = new Map<Subscriber, Target<Subscriber>>();
  /** Nodes with members, and whether any of those is connected. */
  private readonly nodes = new Map<ShareNode, boolean>();
  private turn = 0;
  /** Who has got a message that may be routed again, by its `publishId`. */
  private takers: Recent<Taker> | undefined;
  /** What other nodes were told last. */
  presence: SharePresence = 'none';

  /** @param name `$share/group/filter` */
  constructor(
    readonly name: string,
    private readonly choose: ShareStrategy,
  ) {}

  /** A message that is routed again goes to whom it went before. */
  get toleratesRepeats(): true {
    return true;
  }

  /** Whether any member is connected, here or elsewhere. */
  get isOnline(): boolean {
    if (this.members.some((member) => member.isOnline)) return true;
    for (const isOnline of this.nodes.values()) if (isOnline) return true;
    return false;
  }

  /** Whether it has no members, here or elsewhere. */
  get isEmpty(): boolean {
    return this.members.length === 0 && this.nodes.size === 0 && this.absent.size === 0;
  }

  /** What other nodes must know of the members here. */
  get presenceHere(): SharePresence {
    if (this.members.length === 0) return 'none';
    return this.members.some((member) => member.isOnline) ? 'online' : 'asleep';
  }

  /** Another node has members, or has none any more. */
  setNode(node: ShareNode, presence: SharePresence): void {
    if (presence === 'none') this.nodes.delete(node);
    else this.nodes.set(node, presence === 'online');
  }

  /** A session subscribes, or subscribes again with other options. */
  join(session: Session, subscription: Subscription): void {
    this.targets.set(session, memberTarget(session, subscription));
    this.members = [...this.targets.keys()];
  }

  joinAbsent(member: Subscriber, subscription: Subscription): void {
    this.absent.set(member, memberTarget(member, subscription));
  }

  leaveAbsent(member: Subscriber): void {
    this.absent.delete(member);
  }

  leave(session: Session): void {
    this.targets.delete(session);
    this.members = [...this.targets.keys()];
  }

  deliver(message: Message): void {
    // The node where it entered has chosen who gets it, and says so where that is a member here.
    if (message.fromNode === undefined) this.give(message);
  }

  /** Gives the message to one member; when it is routed again, to the same one while that is there. */
  give(message: Message): void {
    const taker = message.publishId === undefined ? undefined : this.takers?.get(message.publishId);
    if (!taker || !this.handTo(taker, message, true)) this.handOut(message);
  }

  /** Gives the message to one member: here if one is connected, else on another node if one is connected there. */
  handOut(message: Message): void {
    const taker = this.takerOf(message);
    if (!taker) return;
    if (message.publishId !== undefined) (this.takers ??= new Recent(remembered)).set(message.publishId, taker);
    this.handTo(taker, message, false);
  }

  /** False when it is gone. */
  private handTo(taker: Taker, message: Message, isRepeated: boolean): boolean {
    const target = this.targets.get(taker as Session) ?? this.absent.get(taker as Subscriber);
    if (target) {
      const { subscriber } = target;
      if (!isRepeated || subscriber.toleratesRepeats) subscriber.deliver(message, target, this);
      return true;
    }
    if (!this.nodes.has(taker as ShareNode)) return false;
    (taker as ShareNode).deliverShared(message, this.name);
    return true;
  }

  private takerOf(message: Message): Taker | undefined {
    const candidates = this.candidates(message.topic);
    const node =
      this.nodes.size > 0 && !candidates[0]?.isOnline ? this.nodeOf(message, candidates.length > 0) : undefined;
    if (node) return node;
    if (candidates.length > 0) return this.pick(candidates, message);
    const members = [...this.absent.keys()];
    return members[this.turn++ % members.length];
  }

  /** Each node in turn; one that only has members that are away when there is nobody at all here. */
  private nodeOf(message: Message, hasMembersHere: boolean): ShareNode | undefined {
    const others = [...this.nodes].filter(([{ name }]) => name !== message.fromNode);
    const online = others.filter(([, isOnline]) => isOnline);
    const nodes = online.length > 0 || hasMembersHere ? online : others;
    return nodes[this.turn++ % nodes.length]?.[0];
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

  /** Who is connected and may receive it; where there is nobody, those who are away. */
  private candidates(topic: string): readonly Session[] {
    const { members } = this;
    const isReady = (member: Session): boolean => member.isOnline && member.mayReceive(topic);
    let ready = 0;
    for (const member of members) if (isReady(member)) ready++;
    if (ready === members.length) return members;
    return members.filter(ready > 0 ? isReady : (member) => !member.isOnline && member.mayReceive(topic));
  }
}

type Taker = Session | Subscriber | ShareNode;

/** Messages of a group, at least, whose takers are known when they are routed again. */
const remembered = 4096;

/** No Local is not allowed here ([MQTT-3.8.3-4]): a member gets its own messages too. */
function memberTarget<S>(member: S, { qos, retainAsPublished, identifier }: Subscription): Target<S> {
  const identifiers = identifier === undefined ? undefined : [identifier];
  const target: Target<S> = {
    subscriber: member,
    qos,
    retainAsPublished,
    identifiers,
    get own() {
      return target;
    },
  };
  return target;
}
