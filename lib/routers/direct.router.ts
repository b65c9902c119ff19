import type { Message } from '../broker/message.js';
import { Router, type Subscriber } from '../broker/router.js';
import type { Match } from '../topics/match.js';

/** Delivers in memory, to the subscribers of this process. */
export class DirectRouter extends Router {
  override get isImmediate(): true {
    return true;
  }

  override publish(message: Message, { targets }: Match<Subscriber>): boolean {
    for (const target of targets) target.subscriber.deliver(message, target);
    return targets.length > 0;
  }
}
