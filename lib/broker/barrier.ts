import type { Client } from './client.js';
import type { Connection } from './connection.js';
import type { Outbox } from './outbox.js';
import { NotKeptError } from './router.js';
import type { Session } from './session.js';
import { concerns, release, Tick } from './tick.js';

/** What has to be kept before the tick's acknowledgements may go: a Store, a Router. */
export interface Committer {
  /** Everything is kept as soon as it is said: there is nothing to wait for. */
  readonly isImmediate: boolean;
  commit(): Promise<void> | undefined;
}

/**
 * The end of a tick: commit once, then release what waited for it, then one write per connection.
 *
 * Acknowledgements (PUBACK, PUBREC, SUBACK, CONNACK, PINGRESP ...) and the closing of a connection wait here in the
 * order of the packets they answer, in arrays and not in closures, and so do QoS 2 messages on their way out: sent before they
 * are kept, they would be sent twice when their publisher has to send them again. Where everything is kept at once, as in
 * memory, all goes straight to the outbox. `setImmediate` runs after all sockets that were readable in this turn of the event
 * loop have been read, so their deliveries share commits and writes.
 */
export class Barrier {
  private current = new Tick(1);
  /** Empty, for the next tick. */
  private spare: Tick | undefined = undefined;
  /** The last one of which is known what is kept. */
  private settled = 0;
  private outboxes: Outbox[] = [];
  private waiting: Waiting | undefined = undefined;
  private isScheduled = false;
  private released: Promise<void> | undefined = undefined;
  /** Nothing is held: what is replied is staged at once. */
  readonly isImmediate: boolean;

  constructor(
    private readonly committers: readonly Committer[],
    private readonly onWithheld: (error: unknown) => void,
  ) {
    this.isImmediate = committers.every((committer) => committer.isImmediate);
  }

  /** The tick that a message comes in, to be asked about with `isSettled`. */
  get tick(): number {
    return this.current.number;
  }

  /** Whether it is known of a tick what of it is kept; 0 is before all ticks. */
  isSettled(tick: number): boolean {
    return tick <= this.settled || this.isImmediate;
  }

  /** A QoS 2 message has come in that is not to be routed again when it comes again. */
  receive(session: Session, publisher: Client | undefined, packetId: number): void {
    if (this.isImmediate) return;
    this.current.receive({ session, publisher, packetId });
    if (!this.isScheduled) this.schedule();
  }

  /** A QoS 2 message of this tick waits for it to be kept; then `session` is pumped. */
  holdBack(session: Session): void {
    this.current.holdBack(session);
    if (!this.isScheduled) this.schedule();
  }

  /** The outbox has something to write at the end of this tick. */
  enlist(outbox: Outbox): void {
    this.outboxes.push(outbox);
    if (!this.isScheduled) this.schedule();
  }

  /** Holds a packet for `connection` until the commit; undefined closes the connection at that point. */
  hold(connection: Connection, packet: Buffer | undefined): void {
    if (this.isImmediate) release(connection, packet, 0);
    else this.holdNumber(connection, packet, 0);
  }

  /** Holds an acknowledgement that is only a first byte and a packet identifier. */
  holdAcknowledgement(connection: Connection, firstByte: number, packetId: number): void {
    if (this.isImmediate) connection.sendAcknowledgement(firstByte, packetId);
    else this.holdNumber(connection, undefined, (firstByte << 16) | packetId);
  }

  /**
   * Resolves when all that was published in this tick is kept where it is promised to be.
   * @param publisher of whose messages it speaks; undefined is the application
   */
  async kept(publisher?: Client): Promise<void> {
    if (this.isImmediate) return;
    if (!this.isScheduled) this.schedule();
    this.waiting ??= withResolvers();
    const error = await this.waiting.promise;
    if (error !== undefined && concerns(error, publisher)) throw error;
  }

  private holdNumber(connection: Connection, packet: Buffer | undefined, number: number): void {
    this.current.hold(connection, packet, number);
    if (!this.isScheduled) this.schedule();
  }

  private schedule(): void {
    this.isScheduled = true;
    setImmediate(this.endTick);
  }

  private readonly endTick = (): void => {
    this.isScheduled = false;
    if (!this.isImmediate) this.endCommit();
    this.flush();
  };

  private endCommit(): void {
    const { current, waiting } = this;
    this.current = this.next(current.number + 1);
    this.waiting = undefined;
    const kept = this.commit();
    if (kept) this.releaseAfter(kept, current, waiting);
    else this.release(current, waiting);
  }

  private next(number: number): Tick {
    const next = this.spare ?? new Tick(number);
    this.spare = undefined;
    next.number = number;
    return next;
  }

  private release(tick: Tick, waiting: Waiting | undefined): void {
    this.settled = tick.number;
    tick.release();
    this.spare = tick;
    waiting?.resolve();
  }

  /** Undefined when everything is kept already, as in memory; else what this and all earlier ticks wait for. */
  private commit(): Promise<void> | undefined {
    let pending = this.released;
    for (const committer of this.committers) {
      const kept = commitOf(committer);
      if (kept) pending = pending ? both(pending, kept) : kept;
    }
    return pending;
  }

  private releaseAfter(kept: Promise<void>, tick: Tick, waiting: Waiting | undefined): void {
    const released = kept.then(
      () => {
        this.release(tick, waiting);
        this.flush();
      },
      (error: unknown) => {
        this.onWithheld(error);
        this.settled = tick.number;
        // A client whose acknowledgement is missing reconnects and sends again.
        tick.withhold(error);
        this.flush();
        waiting?.resolve(error);
      },
    );
    this.released = released;
    void released.then(() => {
      if (this.released === released) this.released = undefined;
    });
  }

  private flush(): void {
    const { outboxes } = this;
    this.outboxes = [];
    for (const outbox of outboxes) outbox.flush();
  }
}

/** A commit that throws is one that is rejected. */
function commitOf(committer: Committer): Promise<void> | undefined {
  try {
    return committer.commit();
  } catch (error) {
    return Promise.reject(error);
  }
}

/** Who waits for the end of a tick hears of what was not kept, and sees whether it is concerned. */
interface Waiting {
  readonly promise: Promise<unknown>;
  resolve(error?: unknown): void;
}

function withResolvers(): Waiting {
  let resolve: Waiting['resolve'] = () => {};
  const promise = new Promise<unknown>((settle) => (resolve = settle));
  return { promise, resolve };
}

/** Waits for both, so that the one that fails first does not speak for the other. */
async function both(one: Promise<void>, other: Promise<void>): Promise<void> {
  const outcomes = await Promise.allSettled([one, other]);
  const errors = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
  // Who is concerned by both is concerned by either: an error that does not say whom it concerns comes first.
  if (errors.length > 0) throw errors.find((error) => !(error instanceof NotKeptError)) ?? errors[0];
}
