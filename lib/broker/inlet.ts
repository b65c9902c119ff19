import type { QoS } from '../protocol/packets.js';
import type { ReceivedPublish } from '../protocol/received-publish.js';
import type { Match } from '../topics/match.js';
import { accepted, heard, isRefused, passGates, publishDecided, undecided, type Decision } from './decider.js';
import type { Connection } from './connection.js';
import { answer, type Publication } from './handlers/publish-answers.js';
import type { Message } from './message.js';
import { Ring } from './ring.js';
import type { Subscriber } from './router.js';
import type { Session } from './session.js';
import type { StoredSession } from './stored-session.js';

/**
 * The PUBLISH packets of one connection about which somebody still has to decide, in the order in which they came.
 *
 * Those who decide work side by side; messages are routed, and acknowledged ([MQTT-4.6.0-2] [MQTT-4.6.0-3]), in that order
 * nevertheless. Each is owed an answer: a client with too many of them is not read. Who has begun to decide goes on when
 * the connection ends; a QoS 2 message that comes again meanwhile waits for the same decision.
 */
export class Inlet {
  private readonly entries = new Ring<Entry>();
  /** How many at the front were routed, and only wait for their acknowledgement. */
  private routed = 0;
  /** The last one that was routed has failed: nothing is routed before its publisher is answered. */
  private isHeldUp = false;

  constructor(private readonly connection: Connection) {}

  get isEmpty(): boolean {
    return this.entries.length === 0;
  }

  /**
   * @param message kept
   * @param match of its topic
   */
  add(message: Message, packet: ReceivedPublish, match: Match<Subscriber>): void {
    const session = this.connection.session!;
    const entry = this.push(packet, message);
    if (!packet.dup) session.faults.delete(packet.packetId);
    const stored = recorderOf(session, message.qos);
    const passing = match.gates ? passGates(match, message) : undefined;
    if (stored) this.decideBy(entry, record(entry, stored, passing));
    else if (passing) this.decideBy(entry, passing);
    else entry.decision = accepted;
    this.pump();
  }

  /** A QoS 2 message that was routed, but not acknowledged: only who has to have heard it hears it again. */
  addRouted(message: Message, packet: ReceivedPublish, match: Match<Subscriber>): void {
    const entry = this.push(packet, message);
    entry.publication.isRouted = true;
    entry.decision = accepted;
    this.settleBy(entry, heard(match, message));
    this.pump();
  }

  /** A QoS 2 message that comes again while it is decided about. */
  join(packet: ReceivedPublish, deciding: Promise<Decision>): void {
    const entry = this.push(packet, undefined);
    entry.decision = accepted;
    this.settleBy(entry, deciding);
  }

  /** A message of which is known already what its publisher is told. */
  settle(packet: ReceivedPublish, outcome: Decision): void {
    const entry = this.push(packet, undefined);
    entry.decision = entry.outcome = outcome;
    this.pump();
  }

  private push({ qos, packetId }: ReceivedPublish, message: Message | undefined): Entry {
    const session = this.connection.session!;
    const entry = new Entry({ session, message, qos, packetId, isRouted: false });
    this.connection.owe(entry.size);
    this.entries.push(entry);
    if (qos === 2 && message) session.deciding.set(packetId, entry.whenSettled());
    return entry;
  }

  private decideBy(entry: Entry, passing: Promise<Decision | undefined>): void {
    passing.then(
      (decision) => {
        if (decision) {
          entry.decision = decision;
          this.pump();
        } else {
          this.stop();
          this.connection.destroy();
        }
      },
      (error: unknown) => this.connection.fail(error),
    );
  }

  private settleBy(entry: Entry, deciding: Promise<Decision>): void {
    deciding.then(
      (outcome) => {
        entry.outcome = outcome;
        this.pump();
      },
      (error: unknown) => this.connection.fail(error),
    );
  }

  /** Nothing more is routed or acknowledged: the client sends again what it has at QoS 1 and 2. */
  private stop(): void {
    for (let entry = this.entries.shift(); entry; entry = this.entries.shift()) {
      const { session, message, packetId } = entry.publication;
      if (message) session.deciding.delete(packetId);
      entry.settle?.(undecided);
      this.connection.answered(entry.size);
    }
    this.routed = 0;
  }

  private pump(): void {
    while (this.routeNext() || this.answerNext());
  }

  private routeNext(): boolean {
    const entry = this.entries.at(this.routed);
    if (!entry?.decision || this.isHeldUp) return false;
    const { message, qos, isRouted } = entry.publication;
    if (message && !isRouted) this.route(entry, entry.decision);
    this.routed++;
    // It may have to come again, and what is behind it then too.
    this.isHeldUp = entry.outcome?.isFault === true && qos > 0;
    return true;
  }

  private answerNext(): boolean {
    const entry = this.entries.at(0);
    if (!entry?.outcome || this.routed === 0) return false;
    this.entries.shift();
    this.routed--;
    this.isHeldUp = false;
    this.connection.answered(entry.size);
    entry.settle?.(entry.outcome);
    if (!answer(this.connection, entry.publication, entry.outcome)) this.stop();
    return true;
  }

  private route(entry: Entry, decision: Decision): void {
    const { publication } = entry;
    const { session, qos, packetId } = publication;
    const { broker } = this.connection;
    const published = publishDecided(broker, publication.message!, decision);
    const isAccepted = published instanceof Promise || !isRefused(published);
    if (isAccepted && qos === 2) session.receive(packetId, publication.message!.publisher);
    publication.isRouted = isAccepted;
    if (published instanceof Promise) this.settleBy(entry, published);
    else entry.outcome = published;
  }
}

/** Where a message has to be recorded before it is routed, as it may come again on another node; undefined for most. */
export const recorderOf = ({ stored }: Session, qos: QoS): StoredSession | undefined =>
  qos === 2 && stored?.isDurable ? stored : undefined;

/**
 * A QoS 2 message that may come again on another node: it is recorded under a name before anybody gets it.
 * @returns undefined when it may not be routed here any more; it is not acknowledged, so the client sends it again
 */
async function record(
  { publication }: Entry,
  stored: StoredSession,
  passing: Promise<Decision> | undefined,
): Promise<Decision | undefined> {
  const decision = passing ? await passing : accepted;
  if (isRefused(decision)) return decision;
  const { session, packetId } = publication;
  const message = decision.replacement ?? publication.message!;
  const { log } = session.broker;
  try {
    message.publishId = await stored.admit(packetId);
  } catch (error) {
    log.debug(`not recorded, so not acknowledged id=${JSON.stringify(session.clientId)}: ${String(error)}`);
    return undefined;
  }
  // Where this node was stopped meanwhile, the client may have sent it elsewhere.
  return session.connection?.isOpen && stored.isCurrent ? decision : undefined;
}

class Entry {
  /** What the gates say. */
  decision: Decision | undefined = undefined;
  /** What the publisher is told. */
  outcome: Decision | undefined = undefined;
  readonly size: number;
  /** Present where the message may come again meanwhile. */
  settle: ((outcome: Decision) => void) | undefined = undefined;

  constructor(readonly publication: Publication) {
    this.size = publication.message?.size ?? 0;
  }

  whenSettled(): Promise<Decision> {
    return new Promise((resolve) => (this.settle = resolve));
  }
}
