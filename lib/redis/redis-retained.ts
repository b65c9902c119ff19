import type { Broker } from '../broker/broker.js';
import { Message } from '../broker/message.js';
import { decodeMessage, encodeMessage } from './node-frame.js';
import type { RedisLink } from './redis-link.js';
import type { NodeSettings, RedisKeys } from './redis-options.js';

/**
 * Retained messages: a hash in Redis, a log of its changes, and the whole in the memory of each node.
 *
 * One script writes hash and log, so the log's order is the order of the hash: the last writer wins on every node. A node
 * has its own change at once, and until it reads that in the log it passes over what others wrote to the topic before.
 */
export class RedisRetained {
  /** Number of the last change that was read. */
  private version = 0;
  /** Own changes that are written or being written, and not yet read in the log. */
  private readonly pending = new Map<string, number>();
  /** Topics whose own change has not reached Redis. */
  private readonly unsaved = new Set<string>();

  constructor(
    private readonly node: string,
    private readonly keys: RedisKeys,
    private readonly settings: NodeSettings,
    private readonly broker: () => Broker,
  ) {}

  /**
   * A message with RETAIN was published here, and its topic has it already.
   * @param sentTo the nodes that get it live: who is not among them and has a subscriber takes it from the log
   */
  async write(link: RedisLink | undefined, message: Message, sentTo: readonly string[]): Promise<void> {
    const { topic, hasPayload } = message;
    const now = this.broker().clock.now();
    const record = Buffer.concat([timestamp(now), encodeMessage(message, now)]);
    this.unsaved.add(topic);
    if (!link) throw new Error('Redis is away');
    this.pending.set(topic, (this.pending.get(topic) ?? 0) + 1);
    const { retained, retainedLog, retainedVersion } = this.keys;
    const from = JSON.stringify([this.node, ...sentTo]);
    const keys = [retained, retainedLog, retainedVersion];
    const values = [topic, record, from, this.settings.logEntries, hasPayload ? 1 : 0];
    try {
      await link.commands.eval(writeScript, keys.length, ...keys, ...values);
      this.unsaved.delete(topic);
    } catch (error) {
      this.settle(topic);
      link.noteError(error);
      throw error;
    }
  }

  /** Redis was away: whatever was written before is in the hash by now, or never will be. */
  forgetPending(): void {
    this.pending.clear();
  }

  /** Reads everything, after what this node could not write while Redis was away. */
  async readAll(link: RedisLink): Promise<void> {
    const { retained } = this.broker();
    const lastVersion = await link.commands.get(this.keys.retainedVersion);
    if (lastVersion === null) {
      // A Redis without any, or one that has forgotten them: what the nodes have is what there is.
      for (const { topic } of retained.all()) this.unsaved.add(topic);
    }
    const unsaved = [...this.unsaved];
    for (let start = 0; start < unsaved.length; start += atOnce) {
      await Promise.all(unsaved.slice(start, start + atOnce).map((topic) => this.save(link, topic)));
    }
    this.version = Number((await link.commands.get(this.keys.retainedVersion)) ?? 0);
    const found = new Set<string>();
    let cursor = '0';
    do {
      const [next, entries] = await link.commands.hscanBuffer(this.keys.retained, cursor, 'COUNT', 1000);
      cursor = next.toString();
      for (let index = 0; index + 1 < entries.length; index += 2) {
        const topic = entries[index].toString();
        found.add(topic);
        if (!this.load(entries[index + 1])) await this.dropExpired(link, topic, entries[index + 1]);
      }
    } while (cursor !== '0');
    for (const { topic } of retained.all()) {
      if (!found.has(topic) && !this.pending.has(topic)) retained.delete(topic);
    }
  }

  /**
   * A change from the log.
   * @returns false when changes are missing: everything has to be read again
   */
  hear(fields: ReadonlyMap<string, Buffer>): boolean {
    const version = Number(fields.get('v'));
    const [node, ...sentTo] = JSON.parse(String(fields.get('n'))) as string[];
    const message = decodeRecord(fields.get('r')!, node, this.broker().clock.now());
    if (node === this.node) this.settle(message.topic);
    // Read already, with all the others.
    if (version <= this.version) return true;
    if (version !== this.version + 1) return false;
    this.version = version;
    if (node === this.node) return true;
    if (!this.pending.has(message.topic)) this.keep(message);
    // It was published before that node knew of a subscription here: a subscriber would have neither the one nor the other.
    if (!sentTo.includes(this.node)) this.deliver(message);
    return true;
  }

  private async save(link: RedisLink, topic: string): Promise<void> {
    const { retained, clock } = this.broker();
    const removal = { topic, payload: Buffer.alloc(0), qos: 1, retain: true } as const;
    await this.write(link, retained.get(topic) ?? Message.of(removal, clock.now()), []);
  }

  private deliver(message: Message): void {
    for (const target of this.broker().topics.match(message.topic).targets) target.subscriber.deliver(message, target);
  }

  private keep(message: Message): void {
    const { retained, clock } = this.broker();
    if (message.isExpired(clock.now())) return;
    if (retained.hasRoomFor(message)) retained.set(message);
    else this.broker().log.warn(`retained message of another node has no room topic=${JSON.stringify(message.topic)}`);
  }

  private settle(topic: string): void {
    const left = (this.pending.get(topic) ?? 0) - 1;
    if (left > 0) this.pending.set(topic, left);
    else this.pending.delete(topic);
  }

  /** False when the message has expired. */
  private load(record: Buffer): boolean {
    const { retained, clock, log } = this.broker();
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
    if (!isSame && !this.pending.has(message.topic)) this.keep(message);
    return true;
  }

  private async dropExpired(link: RedisLink, topic: string, record: Buffer): Promise<void> {
    await link.commands.eval(dropScript, 1, this.keys.retained, topic, record);
  }
}

/** Topics written with one round trip. */
const atOnce = 500;

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

const writeScript = `
local version = redis.call('INCR', KEYS[3])
if ARGV[5] == '0' then redis.call('HDEL', KEYS[1], ARGV[1]) else redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', 'v', version, 'n', ARGV[3], 'r', ARGV[2])
return version`;

const dropScript = `
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then return redis.call('HDEL', KEYS[1], ARGV[1]) end
return 0`;
