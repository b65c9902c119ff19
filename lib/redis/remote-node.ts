import type { Message } from '../broker/message.js';
import type { SharePresence, Subscriber } from '../broker/router.js';
import type { ShareNode } from '../broker/shared-subscription.js';
import type { RedisLanes } from './redis-lanes.js';

/** Another node: the Subscriber that its clients' filters stand for in this node's topic tree. */
export class RemoteNode implements Subscriber, ShareNode {
  /** By filter, `$share/group/` included. */
  readonly routes = new Map<string, SharePresence>();
  /** Of the last change of its routes that is known here. */
  version = -1;
  /** What goes to it at the end of this tick, at QoS 0. */
  lossy: Buffer[] = [];
  /** What goes to it at the end of this tick, at QoS 1 and 2. */
  reliable: Buffer[] = [];

  constructor(
    readonly name: string,
    private readonly lanes: RedisLanes,
  ) {}

  deliver(message: Message): void {
    // One hop: what came from a node has been sent to all that want it.
    if (message.fromNode === undefined) this.lanes.add(this, message, '');
  }

  deliverShared(message: Message, share: string): void {
    this.lanes.add(this, message, share);
  }
}
