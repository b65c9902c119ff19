import type { Delivery } from '../broker/delivery.js';
import { Ring } from '../broker/ring.js';
import { encodeDelivery } from '../records/delivery-record.js';
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
  /** Messages whose routing is finished, and since when. */
  private readonly finished = new Ring<{ readonly publishId: string; readonly at: number }>();
  /** Queues that have seen the name of a message whose routing may not be finished. */
  private readonly seenBy = new Map<string, Seen[]>();

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

  /**
   * A message will not be routed again: who has seen its name may forget it, but not at once. A node that was stopped, or
   * whose words were long on their way, may only now be putting it there.
   */
  forget(publishId: string): void {
    if (this.seenBy.has(publishId)) this.finished.push({ publishId, at: performance.now() });
  }

  private forgetFinished(): void {
    const { finished, seenBy, forgettable } = this;
    const before = performance.now() - this.node.settings.leaseMs;
    for (let first = finished.at(0); first && first.at < before; first = finished.at(0)) {
      finished.shift();
      for (const { clientId, name } of seenBy.get(first.publishId) ?? []) {
        const names = forgettable.get(clientId);
        if (names) names.push(name);
        else forgettable.set(clientId, [name]);
      }
      seenBy.delete(first.publishId);
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
    this.forgetFinished();
    const forgotten = this.forgettable.get(clientId)?.splice(0, mostForgotten) ?? [];
    const values = [clock.now(), maximumQueuedMessages, maximumQueuedBytes, onQueueFull];
    const messages = deliveries.flatMap((delivery, index) => {
      const { expiresAt } = delivery.message;
      return [nameOf(delivery), expiresAt === Infinity ? '' : expiresAt, records[index]];
    });
    const keys = [session, queue, seen, expiring];
    if (this.forgettable.get(clientId)?.length === 0) this.forgettable.delete(clientId);
    for (const delivery of deliveries) this.note(delivery, clientId);
    return link.turns.inOrder(queue, () =>
      link.run(appendScript, keys, [...values, forgotten.length, ...forgotten, ...messages]),
    );
  }

  private note(delivery: Delivery, clientId: string): void {
    const { publishId } = delivery.message;
    if (publishId === undefined) return;
    const name = nameOf(delivery);
    const queues = this.seenBy.get(publishId);
    if (!queues) this.seenBy.set(publishId, [{ clientId, name }]);
    else if (!queues.some((seen) => seen.clientId === clientId && seen.name === name)) queues.push({ clientId, name });
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

/** A queue that has seen a message, and what it knows it by. */
interface Seen {
  readonly clientId: string;
  readonly name: string;
}

/** What a queue knows a message by: who is a member of groups too gets one for each ([MQTT-4.8.2]), and one for itself. */
const nameOf = ({ message: { publishId }, share }: Delivery): string =>
  publishId === undefined || !share ? (publishId ?? '') : `${publishId} ${share.name}`;

/** Names at once: a script cannot unpack any number. */
const mostForgotten = 1000;

const noRoom = -2;
