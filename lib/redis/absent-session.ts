import { Delivery } from '../broker/delivery.js';
import type { Message } from '../broker/message.js';
import type { Subscriber } from '../broker/router.js';
import type { SharedSubscription } from '../broker/shared-subscription.js';
import type { Target } from '../topics/match.js';
import type { Subscription } from '../topics/subscription.js';
import type { RedisAppends } from './redis-appends.js';

/**
 * A session that outlives its connections and whose client is not connected here: the Subscriber that its filters stand for
 * in this node's topic tree. What it gets goes to its queue in Redis, wherever its client is.
 */
export class AbsentSession implements Subscriber {
  /** By the filter as the client wrote it, `$share/group/` included; also while the client is connected here. */
  readonly subscriptions = new Map<string, Subscription>();
  /** Of the newest connection that is known to have subscribed. */
  generation = 0;

  constructor(
    readonly clientId: string,
    private readonly appends: RedisAppends,
  ) {}

  /** The queue knows the names of what it has taken. */
  get toleratesRepeats(): true {
    return true;
  }

  deliver(message: Message, target: Target<Subscriber>, share?: SharedSubscription): void {
    // The node where it entered has put it there; of a group, the node that has chosen the member does.
    if (message.fromNode !== undefined && !share) return;
    // [MQTT-3.8.3-3]
    const matched = message.publisher?.clientId === this.clientId ? target.own : target;
    if (!matched) return;
    // [MQTT-3.8.4-8]
    const qos = message.qos < matched.qos ? message.qos : matched.qos;
    // The node where its client is, if it is anywhere, gets QoS 0 as that of all its clients.
    if (qos === 0) return;
    const retain = message.retain && matched.retainAsPublished;
    this.appends.add(this.clientId, new Delivery(message.keep(), qos, retain, matched.identifiers, share));
  }
}
