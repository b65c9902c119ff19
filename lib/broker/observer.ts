import type { Broker } from './broker.js';
import type { Message } from './message.js';
import type { LocalSubscriber } from './router.js';

/** The application as a subscriber: hears what is published to a filter, by whomever, on whichever node. */
export class Observer implements LocalSubscriber {
  private constructor(
    private readonly broker: Broker,
    private readonly hear: (message: Message) => void,
  ) {}

  /**
   * From now on.
   * @param filter well-formed (`isTopicFilter`), without `$share`
   * @returns ends it
   */
  static begin(broker: Broker, filter: string, hear: (message: Message) => void): () => void {
    const observer = new Observer(broker, hear);
    const subscription = { filter, qos: 2, noLocal: false, retainAsPublished: true, retainHandling: 2 } as const;
    broker.topics.subscribe(observer, subscription);
    broker.router.subscribed(observer, subscription);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      broker.topics.unsubscribe(observer, filter);
      broker.router.unsubscribed(observer, subscription);
    };
  }

  deliver(message: Message): void {
    try {
      this.hear(message.copy());
    } catch (error) {
      this.broker.log.error(`who observes ${JSON.stringify(message.topic)} failed`, error);
    }
  }
}
