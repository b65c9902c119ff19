import type { Delivery } from '../broker/deliveries.js';
import { encodeDelivery } from './queue-record.js';
import type { RedisLink } from './redis-link.js';
import type { RedisNode } from './redis-node.js';
import { appendScript, type AppendAnswer } from './session-scripts.js';

/** Who has a session hears what was put into its queue. */
export interface QueueOwner {
  /** @param sequences where each of `deliveries` stands in the queue; -1 and less where it does not */
  appended(deliveries: readonly Delivery[], sequences: readonly number[]): void;
}

/**
 * Puts messages at the end of the queues in Redis: one command for each session that a tick has messages for.
 *
 * Each gets the next sequence number of its queue there, whichever node it comes from; the node that has the client is told
 * what was added, as soon as it is. What is not added for want of room counts as dropped.
 */
export class RedisAppends {
  /** Sessions whose clients are connected to this node. */
  readonly owners = new Map<string, QueueOwner>();
  private waiting = new Map<string, Delivery[]>();
  private isScheduled = false;
  /** Names of messages whose routing is finished, to be forgotten with the next message for a queue that has seen them. */
  private readonly forgettable = new Map<string, string[]>();
  /** Queues that have seen the name of a message whose routing may not be finished. */
  private readonly seenBy = new Map<string, string[]>();

  constructor(private readonly node: RedisNode) {}

  add(clientId: string, delivery: Delivery): void {
    const deliveries = this.waiting.get(clientId);
    if (deliveries) deliveries.push(delivery);
    else this.waiting.set(clientId, [delivery]);
    this.schedule();
  }

  /** Sends what was added; acknowledgements to the publishers wait for it. */
  flush(): void {
    if (this.waiting.size === 0) return;
    const { waiting } = this;
    this.waiting = new Map();
    for (const [clientId, deliveries] of waiting) {
      const kept = this.send(clientId, deliveries);
      for (const { message } of deliveries) this.node.lanes.concern(message.publisher);
      this.node.lanes.expect(deliveries[0].message.publisher, kept);
    }
  }

  /** A message will not be routed again: who has seen its name may forget it. */
  forget(publishId: string): void {
    const queues = this.seenBy.get(publishId);
    this.seenBy.delete(publishId);
    for (const clientId of queues ?? []) {
      const names = this.forgettable.get(clientId);
      if (names) names.push(publishId);
      else this.forgettable.set(clientId, [publishId]);
    }
  }

  private schedule(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    // The barrier ends a tick only where something waits for it.
    setImmediate(() => {
      this.isScheduled = false;
      this.flush();
    });
  }

  private async send(clientId: string, deliveries: readonly Delivery[]): Promise<void> {
    const { link, broker } = this.node;
    const owner = this.owners.get(clientId);
    try {
      if (!link) throw new Error('Redis is away');
      const now = broker.clock.now();
      const records = deliveries.map((delivery) => encodeDelivery(delivery, now));
      const answer = await this.append(link, clientId, deliveries, records);
      this.take(clientId, deliveries, records, answer);
    } catch (error) {
      link?.noteError(error);
      owner?.appended(deliveries, []);
      throw error;
    }
  }

  private append(
    link: RedisLink,
    clientId: string,
    deliveries: readonly Delivery[],
    records: readonly Buffer[],
  ): Promise<AppendAnswer> {
    const { limits, clock } = this.node.broker;
    const { session, queue, seen, expiring } = this.node.keys.sessionOf(clientId);
    const { maximumQueuedMessages, maximumQueuedBytes, onQueueFull } = limits;
    const forgotten = this.forgettable.get(clientId) ?? [];
    const values = [clock.now(), maximumQueuedMessages, maximumQueuedBytes, onQueueFull];
    const messages = deliveries.flatMap(({ message: { publishId = '', expiresAt } }, index) => [
      publishId,
      expiresAt === Infinity ? '' : expiresAt,
      records[index],
    ]);
    const keys = [session, queue, seen, expiring];
    this.forgettable.delete(clientId);
    for (const { message } of deliveries) if (message.publishId !== undefined) this.note(message.publishId, clientId);
    return link.turns.inOrder(queue, () =>
      link.run(appendScript, keys, [...values, forgotten.length, ...forgotten, ...messages]),
    );
  }

  private note(publishId: string, clientId: string): void {
    const queues = this.seenBy.get(publishId);
    if (!queues) this.seenBy.set(publishId, [clientId]);
    else if (!queues.includes(clientId)) queues.push(clientId);
  }

  private take(
    clientId: string,
    deliveries: readonly Delivery[],
    records: readonly Buffer[],
    [node, dropped, ...results]: AppendAnswer,
  ): void {
    const { name, routes, broker, lanes, counters } = this.node;
    const sequences = results.map(Number);
    const refused = sequences.filter((sequence) => sequence === noRoom).length;
    broker.counters.messagesDropped += dropped + refused;
    counters.messagesQueued += sequences.filter((sequence) => sequence >= 0).length;
    this.owners.get(clientId)?.appended(deliveries, node === name ? sequences : []);
    const other = node === name ? undefined : routes.nodes.get(node);
    if (!other) return;
    for (const [index, sequence] of sequences.entries()) {
      if (sequence >= 0) lanes.tell(other, { clientId, sequence, record: records[index] });
    }
  }
}

const noRoom = -2;
