import type { Message } from '../broker/message.js';
import type { SharePresence, Subscriber } from '../broker/router.js';
import type { ShareNode } from '../broker/shared-subscription.js';
import type { Target } from '../topics/match.js';
import type { RedisLanes } from './redis-lanes.js';

/** What a node wants of a filter: what a group there wants, or QoS 0 alone, as all else comes by stored queues. */
export type RoutePresence = SharePresence | 'lossy';

/** Another node: the Subscriber that its clients' filters stand for in this node's topic tree. */
export class RemoteNode implements Subscriber, ShareNode {
  /** By filter, `$share/group/` included. */
  readonly routes = new Map<string, RoutePresence>();
  /** Of the last change of its routes that is known here. */
  version = -1;
  /** What goes to it at the end of this tick, at QoS 0. */
  lossy: Buffer[] = [];
  /** What goes to it at the end of this tick, at QoS 1 and 2. */
  reliable: Buffer[] = [];
  /** What it is told at the end of this tick of the queues of its clients. */
  queued: Buffer[] = [];

  constructor(
    readonly name: string,
    private readonly lanes: RedisLanes,
  ) {}

  /** The other node tells by the publishId. */
  get toleratesRepeats(): true {
    return true;
  }

  deliver(message: Message, { qos }: Target<Subscriber>): void {
    // One hop: what came from a node has been sent to all that want it.
    if (message.fromNode !== undefined) return;
    if (qos > 0 || message.qos === 0) this.lanes.add(this, message);
  }

  deliverShared(message: Message, share: string): void {
    this.lanes.addShared(this, message, share);
  }

  /** For one client, if it is there. */
  deliverTo(clientId: string, message: Message): void {
    this.lanes.addFor(this, message, clientId);
  }
}
