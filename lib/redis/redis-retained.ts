import { Message } from '../broker/message.js';
import type { Subscriber } from '../broker/router.js';
import { Session } from '../broker/session.js';
import type { Match } from '../topics/match.js';
import { AbsentSession } from './absent-session.js';
import { decodeMessage, encodeMessage } from '../records/message-record.js';
import type { RedisLink } from './redis-link.js';
import type { NodePart, RedisNode } from './redis-node.js';
import type { StreamEntry } from './redis-reader.js';
import { redisScript } from './redis-scripts.js';
import { RemoteNode } from './remote-node.js';
import { ReplicatedHash } from './replicated-hash.js';

/** Retained messages: a replicated hash, topic -> record; the whole is in the memory of each node. */
export class RedisRetained implements NodePart {
  readonly log;
  private readonly hash: ReplicatedHash;
  /** Topics whose own change has not reached Redis. */
  private readonly unsaved = new Set<string>();

  constructor(private readonly node: RedisNode) {
    const { retained: hash, retainedLog: log, retainedVersion: version } = node.keys;
    this.hash = new ReplicatedHash(node.name, { hash, log, version }, node.settings.logEntries);
    this.log = { key: log, take: (entry: StreamEntry) => this.hearChange(entry) };
  }

  /** A message with RETAIN was published here, its topic has it already, and `match` got it. */
  publish(message: Message, match: Match<Subscriber>): void {
    const written = this.write(this.node.link, message, receiversOf(match));
    if (message.qos > 0) this.node.lanes.expect(message.publisher, written);
    // It is written when Redis is back.
    else written.catch(() => {});
  }

  async prepare(): Promise<void> {
    this.hash.forgetPending();
  }

  /** Reads everything, after what this node could not write while Redis was away. */
  async resume(link: RedisLink): Promise<void> {
    const { retained } = this.node.broker;
    if (!(await this.hash.exists(link))) {
      // A Redis without any, or one that has forgotten them: what the nodes have is what there is.
      for (const { topic } of retained.all()) this.unsaved.add(topic);
    }
    const unsaved = [...this.unsaved];
    for (let start = 0; start < unsaved.length; start += atOnce) {
      await Promise.all(unsaved.slice(start, start + atOnce).map((topic) => this.save(link, topic)));
    }
    const found = new Set<string>();
    await this.hash.readAll(link, async (topic, record) => {
      found.add(topic);
      if (!this.load(record)) await this.dropExpired(link, topic, record);
    });
    for (const { topic } of retained.all()) {
      if (!found.has(topic) && !this.hash.isOurs(topic)) retained.delete(topic);
    }
  }

  private hearChange({ fields }: StreamEntry): undefined {
    const { change, isApplied } = this.hash.hear(fields);
    if (isApplied) return;
    const message = decodeRecord(change.record, change.node, this.node.broker.clock.now());
    if (!this.hash.isOurs(message.topic)) this.keep(message);
    this.deliver(message, new Set(change.notes));
  }

  /** @param sentTo who got it live: another node that is not among them and has a subscriber takes it from the log */
  private async write(link: RedisLink | undefined, message: Message, sentTo: readonly string[]): Promise<void> {
    const { topic, hasPayload } = message;
    const now = this.node.broker.clock.now();
    const record = Buffer.concat([timestamp(now), encodeMessage(message, now)]);
    this.unsaved.add(topic);
    if (!link) throw new Error('Redis is away');
    try {
      await this.hash.write(link, { field: topic, record, isRemoval: !hasPayload, notes: sentTo });
      this.unsaved.delete(topic);
    } catch (error) {
      link.noteError(error);
      throw error;
    }
  }

  private async save(link: RedisLink, topic: string): Promise<void> {
    const { retained, clock } = this.node.broker;
    const removal = { topic, payload: Buffer.alloc(0), qos: 1, retain: true } as const;
    await this.write(link, retained.get(topic) ?? Message.of(removal, clock.now()), []);
  }

  /**
   * It was published before that node knew of a subscription here: a subscriber would have neither this message, live,
   * nor the one before, retained.
   */
  private deliver(message: Message, sentTo: ReadonlySet<string>): void {
    const isKnown = sentTo.has(this.node.name);
    for (const target of this.node.broker.topics.match(message.topic).targets) {
      const { subscriber } = target;
      const queued = subscriber instanceof Session && subscriber.stored?.isDurable ? subscriber : undefined;
      if (!queued) {
        if (!isKnown) subscriber.deliver(message, target);
      } else if (!sentTo.has(noteOf(queued.clientId))) queued.deliver(entered(message), target);
    }
  }

  private keep(message: Message): void {
    const { retained, clock, log } = this.node.broker;
    if (message.isExpired(clock.now())) return;
    if (retained.hasRoomFor(message)) retained.set(message);
    else log.warn(`retained message of another node has no room topic=${JSON.stringify(message.topic)}`);
  }

  /** False when the message has expired. */
  private load(record: Buffer): boolean {
    const { retained, clock, log } = this.node.broker;
    let message: Message;
    try {
      message = decodeRecord(record, 'redis', clock.now());
    } catch (error) {
      log.error('a retained message in Redis cannot be read', error);
      return true;
    }
    if (message.isExpired(clock.now())) return false;
    const before = retained.get(message.topic);
    const isSame = before?.qos === message.qos && before.payload.equals(message.payload) && !message.properties;
    if (!isSame && !this.hash.isOurs(message.topic)) this.keep(message);
    return true;
  }

  private async dropExpired(link: RedisLink, topic: string, record: Buffer): Promise<void> {
    await link.run(dropScript, [this.node.keys.retained], [topic, record]);
  }
}

/** Topics written with one round trip. */
const atOnce = 500;

/** The nodes and the stored queues among the targets. */
const receiversOf = ({ targets }: Match<Subscriber>): string[] =>
  targets.flatMap(({ subscriber }) => {
    if (subscriber instanceof RemoteNode) return subscriber.name;
    return subscriber instanceof AbsentSession ? noteOf(subscriber.clientId) : [];
  });

/** A node's name never begins with a space. */
const noteOf = (clientId: string): string => ` ${clientId}`;

/** The same message as if it had entered here: for a stored queue that the node where it did enter has not known. */
function entered(message: Message): Message {
  const { topic, payload, qos, retain, properties, publisher, expiresAt } = message;
  const enteredAt = expiresAt === Infinity ? 0 : expiresAt - (properties?.messageExpiryInterval ?? 0) * 1000;
  return Message.of({ topic, payload, qos, retain, properties, publisher }, enteredAt);
}

/** When it was written; the expiry interval behind it counts from there. */
function timestamp(now: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeDoubleBE(now);
  return bytes;
}

function decodeRecord(record: Buffer, node: string, now: number): Message {
  const writtenAt = record.readDoubleBE(0);
  // Not later than now, whatever the clock of the writer says.
  return decodeMessage(record.subarray(8), node, Math.min(writtenAt, now));
}

const dropScript = redisScript(`
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then return redis.call('HDEL', KEYS[1], ARGV[1]) end
return 0`);
