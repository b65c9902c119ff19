import { Delivery, DeliveryState } from '../broker/delivery.js';
import { Message } from '../broker/message.js';
import type { Session } from '../broker/session.js';
import type { StoredSession, WillFate } from '../broker/stored-session.js';
import { decodeDelivery } from '../records/delivery-record.js';
import type { QueueOwner } from './redis-appends.js';
import { hashOf } from './redis-options.js';
import type { RedisSessions } from './redis-sessions.js';
import type { Subscription } from '../topics/subscription.js';

/** What Redis has of a session when its client connects. */
export interface ClaimedState {
  readonly isPresent: boolean;
  /** Sequence number of the first message that was not read, and of the next one that comes. */
  readonly next: number;
  readonly tail: number;
  /** Packet identifiers of QoS 2 messages that were received and not released, and their names. */
  readonly received: ReadonlyMap<number, string>;
  /** Sequence numbers of QoS 2 messages whose PUBREC came. */
  readonly handedOver: readonly number[];
  /** What may have been sent: sequence number and record. */
  readonly inFlight: readonly (readonly [sequence: number, record: Buffer])[];
  /** The first of what was never sent, up to `next`. */
  readonly queued: readonly (readonly [sequence: number, record: Buffer])[];
}

/**
 * A session whose client is connected here and whose state is in Redis, under the generation of this connection.
 *
 * Messages are taken strictly by their sequence numbers: what the node is told of comes in at once where it is the next one,
 * and where there is a gap, or no room in memory, it is read from the queue later. So the order never depends on how the
 * news came, and only some of a long queue are in memory.
 */
export class RedisSession implements StoredSession, QueueOwner {
  readonly isPresent: boolean;
  readonly isDurable: boolean;
  session: Session | undefined;
  private unsaid: Unsaid = { settled: [], handedOver: [] };
  private readonly admitted: Map<number, string>;
  /** The next sequence number to take, and the one behind the last that is known of. */
  private next: number;
  private tail: number;
  private appending = 0;
  private isReading = false;
  private isOver = false;

  constructor(
    private readonly sessions: RedisSessions,
    readonly clientId: string,
    readonly generation: number,
    private readonly expiryInterval: number,
    private readonly state: ClaimedState,
  ) {
    this.isPresent = state.isPresent;
    // What goes on ends as it was, even if it ends with this connection.
    this.isDurable = expiryInterval > 0 || state.isPresent;
    this.admitted = new Map(state.received);
    this.next = state.next;
    this.tail = state.tail;
  }

  get isCurrent(): boolean {
    return !this.isOver && !this.sessions.node.isFenced;
  }

  get isEmpty(): boolean {
    return this.appending === 0 && this.next >= this.tail && !this.isReading;
  }

  get subscriptions(): ReadonlyMap<string, Subscription> {
    return this.sessions.subscriptions.of(this.clientId);
  }

  restore(session: Session): void {
    this.session = session;
    if (!this.isDurable) return;
    const { handedOver, inFlight, queued } = this.state;
    const unfinished = [
      ...handedOver.map((sequence) => ({ sequence, delivery: receivedDelivery(), state: DeliveryState.Released })),
      ...inFlight.flatMap(([sequence, record]) => {
        const delivery = this.decode(record);
        return delivery ? [{ sequence, delivery, state: DeliveryState.Sent }] : [];
      }),
    ].sort((one, other) => one.sequence - other.sequence);
    for (const { delivery, sequence, state } of unfinished) session.deliveries.restore(delivery, sequence, state);
    for (const [sequence, record] of queued) {
      const delivery = this.decode(record);
      if (delivery) session.take(delivery, sequence);
    }
    this.sessions.subscriptions.arrive(session);
    // What came between the claim and now has been told to nobody.
    this.sessions.lookAfter(this);
  }

  append(delivery: Delivery): void {
    this.appending++;
    this.sessions.appends.add(this.clientId, delivery);
  }

  appended(deliveries: readonly Delivery[], sequences: readonly number[]): void {
    // Some may have been added before the client was here.
    this.appending = Math.max(0, this.appending - deliveries.length);
    for (const [index, sequence] of sequences.entries()) this.offer(sequence, () => deliveries[index]);
    // Who waits until nothing is on its way looks again.
    if (!this.isOver) this.session?.pump();
  }

  /** The client has acknowledged a message, or it was dropped. */
  settle(sequence: number): void {
    this.unsaid.settled.push(sequence);
    this.sessions.note(this);
  }

  /** PUBREC came for a message. */
  handOver(sequence: number): void {
    this.unsaid.handedOver.push(sequence);
    this.sessions.note(this);
  }

  /** What Redis has not been told yet of what the client has said. */
  takeUnsaid(): Unsaid {
    const { unsaid } = this;
    this.unsaid = { settled: [], handedOver: [] };
    return unsaid;
  }

  /** It could not be told. */
  putBack({ settled, handedOver }: Unsaid): void {
    this.unsaid.settled.unshift(...settled);
    this.unsaid.handedOver.unshift(...handedOver);
  }

  /** Another node says what stands in the queue: where that is nothing that can be read, it is looked up. */
  hear(sequence: number, record: Buffer): void {
    const { node } = this.sessions;
    this.offer(sequence, () => {
      try {
        return this.deliveryOf(record);
      } catch (error) {
        node.refuse('what another node said of a queue', error);
        return undefined;
      }
    });
  }

  private offer(sequence: number, delivery: () => Delivery | undefined): void {
    // Not in the queue, or read already.
    if (this.isOver || sequence < this.next) return;
    this.tail = Math.max(this.tail, sequence + 1);
    if (this.isReading || !this.hasRoom) return;
    const isNext = sequence === this.next;
    const taken = isNext ? delivery() : undefined;
    if (!taken) {
      this.sessions.node.counters.gapsFilled++;
      void this.read();
      return;
    }
    this.next = sequence + 1;
    this.session!.take(taken, sequence);
  }

  /** What Redis says of the end of the queue; it may know of messages that nobody has told of. */
  learnTail(tail: number): void {
    if (this.isOver || tail <= this.tail) return;
    this.tail = tail;
    if (!this.isReading && this.hasRoom) this.sessions.node.counters.gapsFilled++;
    this.refill();
  }

  refill(): void {
    if (this.next < this.tail && !this.isReading && !this.isOver && this.hasRoom) void this.read();
  }

  async admit(packetId: number): Promise<string> {
    const known = this.admitted.get(packetId);
    if (known !== undefined) return known;
    const name = `${hashOf(this.clientId)}.${this.generation}.${packetId}.${this.sessions.nextNumber()}`;
    const recorded = await this.sessions.admit(this, packetId, name);
    this.admitted.set(packetId, recorded);
    return recorded;
  }

  isAdmitted(packetId: number): boolean {
    return this.admitted.has(packetId);
  }

  /** PUBREL came: the packet identifier is free. */
  releaseReceived(packetId: number): string | undefined {
    const name = this.admitted.get(packetId);
    this.admitted.delete(packetId);
    return name;
  }

  release(will: WillFate): void {
    if (this.isOver) return;
    this.isOver = true;
    const expiryInterval = this.session?.expiryInterval ?? this.expiryInterval;
    this.sessions.release(this, expiryInterval, this.session?.deliveries.firstWaiting ?? this.next, will);
  }

  /** The session is another connection's by now, or Redis has lost it. */
  abandon(): void {
    this.session?.connection?.destroy();
  }

  private get hasRoom(): boolean {
    return this.session !== undefined && this.session.deliveries.queued < mostInMemory;
  }

  private async read(): Promise<void> {
    this.isReading = true;
    try {
      while (!this.isOver && this.next < this.tail && this.hasRoom) {
        const known = this.tail;
        const { tail, records } = await this.sessions.readQueue(
          this.clientId,
          this.next,
          Math.min(known - this.next, batch),
        );
        if (this.isOver) return;
        // Whoever told of more was wrong, unless it has come since.
        if (tail < known && this.tail === known) this.tail = Math.max(tail, this.next);
        for (const record of records.slice(0, Math.max(0, tail - this.next))) {
          const sequence = this.next++;
          // Dropped to make room, or acknowledged before.
          const delivery = record && this.decode(record);
          if (delivery) this.session!.take(delivery, sequence);
        }
      }
    } catch (error) {
      // It is read on when Redis is back, or with the next sign of life.
      this.sessions.node.link?.noteError(error);
      return;
    } finally {
      this.isReading = false;
    }
    this.session?.pump();
  }

  private decode(record: Buffer): Delivery | undefined {
    try {
      return this.deliveryOf(record);
    } catch (error) {
      const { log } = this.sessions.node.broker;
      log.error(`a message in the queue of ${JSON.stringify(this.clientId)} cannot be read`, error);
      return undefined;
    }
  }

  private deliveryOf(record: Buffer): Delivery {
    const { broker } = this.sessions.node;
    return decodeDelivery(record, broker.clock.now(), (name) => broker.subscriptions.group(name));
  }
}

/** Sequence numbers of messages that are done, and of such whose PUBREC came. */
interface Unsaid {
  readonly settled: number[];
  readonly handedOver: number[];
}

/** Messages of a queue that wait in memory at most. */
const mostInMemory = 256;
/** Messages that are read at once. */
const batch = 128;

/** What is left of a QoS 2 message that its receiver has: only its packet identifier matters. */
function receivedDelivery(): Delivery {
  const fields = { topic: '', payload: Buffer.alloc(0), qos: 2, retain: false } as const;
  return new Delivery(Message.of(fields, 0), 2, false, undefined, undefined);
}
