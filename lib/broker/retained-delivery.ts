import type { Subscription } from '../topics/subscription.js';
import type { RetainedLevel, RetainedMessages } from './retained-messages.js';
import type { Session } from './session.js';

/**
 * The retained messages for one new subscription, sent in slices: others get their turn, and a client that does not keep
 * up is waited for.
 *
 * What is published meanwhile reaches the session live, and must not overtake an older message of the same topic: then
 * that one is sent out of turn.
 */
export class RetainedDelivery {
  private readonly places: Generator<RetainedLevel | undefined, void>;
  private readonly sent = new Set<RetainedLevel>();
  private readonly version: number;
  private readonly connection;

  constructor(
    private readonly retained: RetainedMessages,
    private readonly session: Session,
    readonly subscription: Subscription,
  ) {
    this.places = retained.matching(subscription.filter);
    this.version = retained.version;
    this.connection = session.connection;
    session.expectRetained(this);
  }

  /** Sends the first slice at once. */
  start(): void {
    this.sendSlice();
  }

  /** Where nobody else catches: what goes wrong would end the process. */
  private readonly goOn = (): void => {
    try {
      this.sendSlice();
    } catch (error) {
      this.connection?.fail(error);
    }
  };

  /** A message on `topic` is about to be delivered live: the retained one goes first. */
  sendNow(topic: string): void {
    const place = this.retained.find(topic);
    if (place) this.send(place);
  }

  private sendSlice(): void {
    const { session, subscription } = this;
    for (let count = 0; count < sliceSize; count++) {
      if (session.connection !== this.connection) return;
      if (!session.subscriptions.has(subscription.filter)) break;
      if (!session.keepsUp()) {
        session.whenItKeepsUp(this.goOn);
        return;
      }
      const { done, value } = this.places.next();
      if (done) break;
      if (value) this.send(value);
      if (count === sliceSize - 1) {
        setImmediate(this.goOn);
        return;
      }
    }
    session.gotRetained(this);
  }

  private send(place: RetainedLevel): void {
    if (this.sent.has(place)) return;
    this.sent.add(place);
    const message = this.retained.take(place, this.version);
    if (!message) return;
    this.session.deliverFor(this.subscription, message);
    message.forgetFrames();
  }
}

/** Topic levels that are looked at for one subscription before the event loop goes round. */
const sliceSize = 500;
