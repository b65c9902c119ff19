import type { Broker, BrokerOptions } from './broker.js';
import { Message } from './message.js';

/**
 * The counters as retained messages under `$SYS/broker/`, by the names that Mosquitto gave them; each node has its own.
 *
 * QoS 0; what has not changed is not sent again.
 */
export class SysTopics {
  private readonly startedAt: number;
  private readonly last = new Map<string, string>();

  private constructor(
    private readonly broker: Broker,
    private readonly version: string,
  ) {
    this.startedAt = broker.clock.now();
  }

  /**
   * At once, and then every `intervalMs` milliseconds.
   * @param terms `version` of the program, as `$SYS/broker/version` says it
   * @returns ends it
   */
  static begin(broker: Broker, { intervalMs, version }: NonNullable<BrokerOptions['sysTopics']>): () => void {
    const topics = new SysTopics(broker, version);
    topics.publishAll();
    return broker.clock.every(intervalMs, () => topics.publishAll());
  }

  private publishAll(): void {
    for (const [name, value] of Object.entries(this.values())) {
      if (this.last.get(name) === String(value)) continue;
      this.last.set(name, String(value));
      this.publish(`$SYS/broker/${name}`, String(value));
    }
  }

  /** Like what comes from another node it concerns nobody but the clients here, nor those that decide. */
  private publish(topic: string, value: string): void {
    const { broker } = this;
    const payload = Buffer.from(value);
    const message = Message.of({ topic, payload, qos: 0, retain: true, fromNode: '$SYS' }, broker.clock.now());
    if (broker.retained.hasRoomFor(message)) broker.retained.set(message);
    for (const target of broker.topics.match(topic).targets) target.subscriber.deliver(message, target);
    message.forgetFrames();
  }

  private values(): Record<string, string | number> {
    const { broker } = this;
    const { counters, sessions, connections, retained, topics } = broker;
    let connected = 0;
    for (const { client, isOpen } of connections) if (client && isOpen) connected++;
    return {
      version: this.version,
      uptime: `${Math.floor((broker.clock.now() - this.startedAt) / 1000)} seconds`,
      'clients/connected': connected,
      'clients/disconnected': sessions.size - connected,
      'clients/total': sessions.size,
      'connections/opened': counters.connectionsOpened,
      'subscriptions/count': topics.size,
      'retained messages/count': retained.size,
      'publish/messages/received': counters.messagesReceived,
      'publish/messages/sent': counters.messagesSent,
      'publish/messages/dropped': counters.messagesDropped,
      'publish/messages/refused': counters.messagesRefused,
      'heap/current': process.memoryUsage().heapUsed,
    };
  }
}
