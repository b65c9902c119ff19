import type { Client } from '../broker/client.js';
import type { Message } from '../broker/message.js';
import { NotKeptError } from '../broker/router.js';
import {
  encodeAddressee,
  encodeEntry,
  encodeShare,
  messagesHeader,
  queuedHeader,
  type FramedEntry,
} from './node-frame.js';
import { encodeMessage } from '../records/message-record.js';
import type { RedisCounters } from './redis-counters.js';
import type { RedisLink } from './redis-link.js';
import type { NodeSettings, RedisKeys } from './redis-options.js';
import { redisScript } from './redis-scripts.js';
import type { RemoteNode } from './remote-node.js';
import { messageOf } from '../broker/error-text.js';

/**
 * The two ways to other nodes: QoS 0 by Pub/Sub, QoS 1 and 2 by the stream that the other node reads. What was put into a
 * stored queue is told by Pub/Sub as well: the other node has the queue to read from when it did not hear.
 *
 * What a tick has for a node goes as one command on each lane. What is encoded for one node serves all.
 */
export class RedisLanes {
  /** Undefined while Redis is away. */
  link: RedisLink | undefined;
  private readonly header: Buffer;
  private readonly queuedHeader: Buffer;
  private readonly nodes = new Set<RemoteNode>();
  private publishers = new Set<Client | undefined>();
  private kept: Promise<void> | undefined;
  private replicating: Promise<void> | undefined;
  private isScheduled = false;
  private encoded: Message | undefined;
  private bytes: Buffer = everybody;

  constructor(
    node: string,
    private readonly keys: RedisKeys,
    private readonly settings: NodeSettings,
    private readonly counters: RedisCounters,
    private readonly now: () => number,
    /** Takes no more messages of a publisher: what it sends next must not overtake what was not kept. */
    private readonly cutOff: (publisher: Client) => void,
  ) {
    this.header = messagesHeader(node);
    this.queuedHeader = queuedHeader(node);
  }

  /** For all subscribers of a node. */
  add(node: RemoteNode, message: Message): void {
    this.addTo(node, message, everybody);
  }

  /** @param share `$share/group/filter`, of which one member shall get it */
  addShared(node: RemoteNode, message: Message, share: string): void {
    this.addTo(node, message, encodeShare(share));
  }

  /** For one client, if it is on that node. */
  addFor(node: RemoteNode, message: Message, clientId: string): void {
    this.addTo(node, message, encodeAddressee(clientId));
  }

  private addTo(node: RemoteNode, message: Message, to: Buffer): void {
    const { link } = this;
    const isLossy = message.qos === 0;
    if (isLossy && (!link || link.unsentBytes > this.settings.maximumUnsentBytes)) {
      this.counters.messagesDropped++;
      return;
    }
    if (!isLossy) this.publishers.add(message.publisher);
    const queue = isLossy ? node.lossy : node.reliable;
    queue.push(to, this.encode(message));
    this.nodes.add(node);
    this.schedule();
  }

  /** Tells the node that has a session what was put into its queue. */
  tell(node: RemoteNode, entry: FramedEntry): void {
    if (!this.link || this.link.unsentBytes > this.settings.maximumUnsentBytes) return;
    node.queued.push(encodeEntry(entry));
    this.nodes.add(node);
    this.schedule();
  }

  /** What is expected in this tick is said of this publisher's messages too. */
  concern(publisher: Client | undefined): void {
    this.publishers.add(publisher);
  }

  /** Something else is on its way of which acknowledgements of this publisher's messages speak. */
  expect(publisher: Client | undefined, kept: Promise<void>): void {
    this.publishers.add(publisher);
    this.keep(kept);
  }

  /** A node is gone: nobody is there to read what was meant for it. */
  forget(node: RemoteNode): void {
    this.nodes.delete(node);
  }

  /** What is kept when all that was added since the last call is kept; undefined when nothing was, or only QoS 0. */
  commit(): Promise<void> | undefined {
    this.flush();
    const { kept } = this;
    this.kept = undefined;
    return kept;
  }

  private encode(message: Message): Buffer {
    if (this.encoded !== message) {
      this.bytes = encodeMessage(message, this.now());
      this.encoded = message;
    }
    return this.bytes;
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

  private flush(): void {
    this.encoded = undefined;
    const { link } = this;
    for (const node of this.nodes) {
      const { lossy, reliable, queued } = node;
      node.lossy = [];
      node.reliable = [];
      node.queued = [];
      const channel = this.keys.channel(node.name);
      if (lossy.length > 0) {
        this.counters.lossyFrames++;
        void this.send(link, channel, this.header, lossy).catch(
          () => (this.counters.messagesDropped += lossy.length / 2),
        );
      }
      // Who does not hear of it sees it in the queue.
      if (queued.length > 0) this.send(link, channel, this.queuedHeader, queued).catch(() => {});
      if (reliable.length > 0) {
        this.counters.reliableFrames++;
        this.keep(this.append(link, node, reliable));
      }
    }
    this.nodes.clear();
    this.publishers = new Set();
  }

  private async send(
    link: RedisLink | undefined,
    channel: string,
    header: Buffer,
    parts: readonly Buffer[],
  ): Promise<void> {
    try {
      await link!.turns.together(`${header[1]} ${channel}`, parts, (waiting) =>
        link!.publish(channel, framed(header, waiting)),
      );
    } catch (error) {
      link?.noteError(error);
      throw error;
    }
  }

  private async append(link: RedisLink | undefined, node: RemoteNode, messages: readonly Buffer[]): Promise<void> {
    if (!link) throw new Error('Redis is away');
    const inlet = this.keys.inlet(node.name);
    let answer: string;
    try {
      answer = await link.turns.together(inlet, messages, (waiting) =>
        link.run(appendScript, [inlet], [framed(this.header, waiting), this.settings.maximumInletFrames]),
      );
    } catch (error) {
      link.noteError(error);
      throw error;
    }
    // Its stream is gone, and perhaps only for a moment: nobody has the messages.
    if (answer === '') throw new Error(`node ${node.name} is away`);
    if (answer === 'full') throw new Error(`node ${node.name} does not keep up`);
  }

  private keep(kept: Promise<void>): void {
    const { publishers } = this;
    const written = this.settings.minimumReplicas > 0 ? kept.then(() => this.replicated()) : kept;
    const named = written.catch((error: unknown) => {
      const reason = messageOf(error);
      for (const publisher of publishers) if (publisher) this.cutOff(publisher);
      throw new NotKeptError(`messages could not go to other nodes: ${reason}`, publishers, { cause: error });
    });
    const before = this.kept;
    this.kept = before ? all(before, named) : named;
    // Who commits hears of it; a tick in which nothing waits does not commit.
    this.kept.catch(() => {});
  }

  /** What Redis has answered in one turn of the event loop waits for its replicas together. */
  private replicated(): Promise<void> {
    this.replicating ??= new Promise((resolve) => setImmediate(resolve)).then(() => {
      this.replicating = undefined;
      if (!this.link) throw new Error('Redis is away');
      return this.link.replicated(this.settings.minimumReplicas);
    });
    return this.replicating;
  }
}

async function all(one: Promise<void>, other: Promise<void>): Promise<void> {
  const outcomes = await Promise.allSettled([one, other]);
  const errors = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as NotKeptError] : []));
  if (errors.length === 0) return;
  const publishers = new Set(errors.flatMap((error) => [...error.publishers]));
  throw new NotKeptError(errors[0].message, publishers, { cause: errors[0].cause });
}

const framed = (header: Buffer, parts: readonly Buffer[]): Buffer => Buffer.concat([header, ...parts]);

/** KEYS stream. ARGV frame, frames at most. Answers an id, nothing where there is no stream, or 'full'. */
const appendScript = redisScript<string>(`
if redis.call('EXISTS', KEYS[1]) == 0 then return '' end
if redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[2]) then return 'full' end
return redis.call('XADD', KEYS[1], '*', 'f', ARGV[1])`);

/** An empty string: for everybody but groups. */
const everybody = Buffer.from([0, 0]);
