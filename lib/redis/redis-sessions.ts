import { randomUUID } from 'node:crypto';
import type { ClaimRequest, WillFate } from '../broker/stored-session.js';
import { MqttError } from '../protocol/mqtt-error.js';
import { ReasonCode } from '../protocol/reason-codes.js';
import { DurableSubscriptions } from './durable-subscriptions.js';
import type { NodeFrame } from './node-frame.js';
import { encodeWill } from '../records/delivery-record.js';
import { RedisAppends } from './redis-appends.js';
import { RedisDue } from './redis-due.js';
import type { RedisLink } from './redis-link.js';
import type { NodePart, RedisNode } from './redis-node.js';
import { RedisSession, type ClaimedState } from './redis-session.js';
import {
  acknowledgeScript,
  admitScript,
  allKeys,
  claimScript,
  releaseScript,
  type ClaimAnswer,
} from './session-scripts.js';

/**
 * The sessions in Redis, as far as they concern this node: those whose clients are connected here, and what is put into the
 * queues of all.
 *
 * Whoever connects claims the client's session under a new generation. Every later write carries it, so that of two nodes
 * that both believe to have a client only the newer one can change anything.
 */
export class RedisSessions implements NodePart {
  readonly appends: RedisAppends;
  readonly subscriptions: DurableSubscriptions;
  readonly due: RedisDue;
  private readonly here = new Map<string, RedisSession>();
  /** Clients whose sessions are being claimed, and by how many connections. */
  private readonly claiming = new Map<string, number>();
  /** Sessions with acknowledgements that Redis does not have yet. */
  private readonly unsaid = new Set<RedisSession>();
  /** Connections that ended while Redis was away. */
  private unreleased: Release[] = [];
  private readonly releasing = new Set<Promise<void>>();
  /** Clients with a clean start while Redis was away: what they had there has ended. */
  private readonly late = new Set<string>();
  private readonly ownName = randomUUID().slice(0, 8);
  private numbers = 0;
  private isScheduled = false;

  constructor(readonly node: RedisNode) {
    this.appends = new RedisAppends(node);
    this.subscriptions = new DurableSubscriptions(node, this.appends);
    this.due = new RedisDue(node, this.subscriptions, this.appends);
    node.add(this.subscriptions);
    node.add(this);
  }

  /** @throws MqttError ServerUnavailable | SessionTakenOver (as a rejection) */
  async claim(request: ClaimRequest): Promise<RedisSession | undefined> {
    const { link } = this.node;
    const { client, generation, expiryInterval } = request;
    const isDurable = expiryInterval > 0;
    if (!link || generation === 0) {
      // A session that ends with its connection can do without.
      if (!isDurable && client.cleanStart) {
        this.late.add(client.clientId);
        return undefined;
      }
      throw new MqttError(ReasonCode.ServerUnavailable, 'sessions cannot be reached now');
    }
    const { clientId } = client;
    this.claiming.set(clientId, (this.claiming.get(clientId) ?? 0) + 1);
    try {
      return await this.claimFrom(link, request);
    } catch (error) {
      if (error instanceof MqttError) throw error;
      link.noteError(error);
      // Redis may have it all the same.
      this.unreleased.push({ clientId, generation, expiryInterval, unsent: '', will: 'discarded' });
      throw new MqttError(ReasonCode.ServerUnavailable, `the session cannot be claimed: ${String(error)}`);
    } finally {
      const left = this.claiming.get(clientId)! - 1;
      if (left > 0) this.claiming.set(clientId, left);
      else this.claiming.delete(clientId);
    }
  }

  /** Records a QoS 2 message under a name, or finds the name under which it was recorded. */
  async admit(session: RedisSession, packetId: number, name: string): Promise<string> {
    const { link, keys } = this.node;
    if (!link) throw new Error('Redis is away');
    const { session: key, received } = keys.sessionOf(session.clientId);
    try {
      const values = [session.generation, packetId, name];
      const recorded = await link.turns.inOrder(received, () => link.run(admitScript, [key, received], values));
      if (recorded === '') throw new Error('the session is not this connection’s any more');
      return recorded;
    } catch (error) {
      link.noteError(error);
      throw error;
    }
  }

  /** PUBREL came for a QoS 2 message of the client. */
  releaseReceived(session: RedisSession, packetId: number): void {
    const { link, keys, lanes } = this.node;
    const name = session.releaseReceived(packetId);
    const { received } = keys.sessionOf(session.clientId);
    const released = (async () => {
      if (!link) throw new Error('Redis is away');
      try {
        await link.turns.inOrder(received, () => link.commands.hdel(received, String(packetId)));
      } catch (error) {
        link.noteError(error);
        throw error;
      }
      if (name !== undefined) this.appends.forget(name);
    })();
    lanes.expect(session.session?.connection?.client, released);
  }

  /** Asks for the end of its queue; nobody waits for that. */
  lookAfter(session: RedisSession): void {
    // What is wrong with Redis others will say.
    this.acknowledge(session).catch(() => {});
  }

  /** The client has acknowledged something of its queue. */
  note(session: RedisSession): void {
    this.unsaid.add(session);
    if (this.isScheduled) return;
    this.isScheduled = true;
    setImmediate(() => {
      this.isScheduled = false;
      this.flush();
    });
  }

  /** The end of a tick: sends what was added to queues and what was acknowledged. */
  flush(): void {
    if (this.node.isFenced) this.fence();
    this.appends.flush();
    for (const session of this.unsaid) {
      const client = session.session?.connection?.client;
      const said = this.acknowledge(session);
      // PUBREL waits until it is known that only PUBREL is repeated.
      if (client) this.node.lanes.expect(client, said);
      else said.catch(() => {});
    }
    this.unsaid.clear();
  }

  release(session: RedisSession, expiryInterval: number, unsent: number, will: WillFate): void {
    const { clientId, generation } = session;
    if (this.here.get(clientId) === session) {
      this.here.delete(clientId);
      this.appends.owners.delete(clientId);
    }
    // A newer connection may have them by now.
    if (session.session) this.subscriptions.leave(session.session);
    // What it has acknowledged goes first.
    this.appends.flush();
    if (this.unsaid.delete(session)) this.acknowledge(session).catch(() => {});
    const released: Promise<void> = this.tellRelease({ clientId, generation, expiryInterval, unsent, will });
    this.releasing.add(released);
    void released.finally(() => this.releasing.delete(released));
  }

  /** Records of a queue, and its end as it was before they were read. */
  async readQueue(
    clientId: string,
    first: number,
    count: number,
  ): Promise<{ readonly tail: number; readonly records: (Buffer | null)[] }> {
    const { link, keys } = this.node;
    if (!link) throw new Error('Redis is away');
    const { session, queue } = keys.sessionOf(clientId);
    const sequences = Array.from({ length: count }, (_, index) => String(first + index));
    const { commands } = link;
    const [tail, records] = await Promise.all([commands.hget(session, 't'), commands.hmgetBuffer(queue, ...sequences)]);
    return { tail: Number(tail), records };
  }

  /** A number that no other node, and no earlier life of this one, gives. */
  nextNumber(): string {
    return `${this.ownName}${(this.numbers++).toString(36)}`;
  }

  hear(frame: NodeFrame): boolean {
    if (frame.kind !== 'queued') return false;
    for (const { clientId, sequence, record } of frame.entries) this.here.get(clientId)?.hear(sequence, record);
    return true;
  }

  /** Redis is back: what could not be said is said, and what was not heard is read. */
  async resume(link: RedisLink): Promise<void> {
    await this.releaseLate();
    for (const clientId of this.late) await this.claimLate(link, clientId);
    // Those too of which Redis has only the will: it may have forgotten it.
    await this.compare(link, [...this.here.values()]);
    this.due.start();
  }

  missed(link: RedisLink): Promise<void> {
    return this.compare(link);
  }

  async beat(link: RedisLink): Promise<void> {
    await this.releaseLate();
    await this.compare(link);
  }

  /** Others may have the sessions by now: their clients here are cut off, and nothing more is said for them. */
  fence(): void {
    for (const session of this.here.values()) session.abandon();
  }

  /** The sessions of a node that is gone wait for their clients; its wills are due. */
  async inherit(link: RedisLink, node: string): Promise<void> {
    const owned = this.node.keys.owned(node);
    for (const clientId of await link.commands.smembers(owned)) {
      await this.due.releaseFor(link, clientId, node);
    }
    await link.commands.del(owned);
  }

  async close(): Promise<void> {
    this.due.stop();
    await Promise.all(this.releasing);
  }

  private get durableHere(): RedisSession[] {
    return [...this.here.values()].filter(({ isDurable }) => isDurable);
  }

  /** Asks for the end of each queue, and whether the session is still this connection's. */
  private async compare(link: RedisLink, sessions = this.durableHere): Promise<void> {
    for (let start = 0; start < sessions.length && link.isOpen; start += atOnce) {
      await Promise.all(sessions.slice(start, start + atOnce).map((session) => this.acknowledge(session)));
    }
  }

  /** Tells what the client has acknowledged, if anything. */
  private async acknowledge(session: RedisSession): Promise<void> {
    const { link, keys, name } = this.node;
    const { session: key, queue, handedOver, expiring } = keys.sessionOf(session.clientId);
    const unsaid = session.takeUnsaid();
    const values = [session.generation, name, unsaid.handedOver.length, ...unsaid.handedOver, ...unsaid.settled];
    let tail: number;
    try {
      if (!link) throw new Error('Redis is away');
      const asked = [key, queue, handedOver, expiring];
      tail = Number(await link.turns.inOrder(queue, () => link.run(acknowledgeScript, asked, values)));
    } catch (error) {
      session.putBack(unsaid);
      link?.noteError(error);
      throw error;
    }
    if (tail < 0) session.abandon();
    else session.learnTail(tail);
  }

  /** What Redis could not take when connections ended. */
  private async releaseLate(): Promise<void> {
    for (const release of this.unreleased.splice(0)) await this.tellRelease(release);
  }

  /** Whoever inherits from this node need not look at the client, unless it has another connection here. */
  private async disown(link: RedisLink, clientId: string): Promise<void> {
    if (this.here.has(clientId) || (this.claiming.get(clientId) ?? 0) > 1) return;
    await link.commands.srem(this.node.keys.owned(this.node.name), clientId);
  }

  /** A client that connected while Redis was away, with a clean start: an older session of it is over. */
  private async claimLate(link: RedisLink, clientId: string): Promise<void> {
    this.late.delete(clientId);
    const session = this.node.broker.sessions.get(clientId);
    const client = session?.connection?.client;
    if (!client || session.stored || session.generation === 0) return;
    const { generation } = session;
    const answer = await this.tellClaim(link, {
      client,
      generation,
      expiryInterval: 0,
      will: undefined,
      receiveMaximum: 1,
    });
    await this.due.claimed(link, clientId, answer);
    await this.subscriptions.forget(link, clientId);
  }

  private async claimFrom(link: RedisLink, request: ClaimRequest): Promise<RedisSession | undefined> {
    const { client, generation, expiryInterval, will } = request;
    const { clientId } = client;
    const answer = await this.tellClaim(link, request);
    if (answer[0] === 0) {
      if (isKept(request)) await this.disown(link, clientId);
      throw new MqttError(ReasonCode.SessionTakenOver, 'the client connected to another node meanwhile');
    }
    const state = stateOf(answer);
    await this.due.claimed(link, clientId, answer);
    if (state.isPresent) await this.subscriptions.catchUp(link);
    else await this.subscriptions.forget(link, clientId);
    if (expiryInterval === 0 && !will && !state.isPresent) {
      if (isKept(request)) await this.disown(link, clientId);
      return undefined;
    }
    const session = new RedisSession(this, clientId, generation, expiryInterval, state);
    this.here.set(clientId, session);
    if (session.isDurable) this.appends.owners.set(clientId, session);
    return session;
  }

  private async tellClaim(link: RedisLink, request: ClaimRequest): Promise<ClaimAnswer> {
    const { keys, name, broker } = this.node;
    const { client, generation, expiryInterval, will, receiveMaximum } = request;
    const { clientId, cleanStart } = client;
    // Whoever inherits from this node looks at all that it may have.
    if (isKept(request)) await link.commands.sadd(keys.owned(name), clientId);
    const record = will ? encodeWill(will, client) : Buffer.alloc(0);
    const delay = Math.min(will?.properties?.willDelayInterval ?? 0, expiryInterval) * 1000;
    const clean = cleanStart ? 1 : 0;
    const values = [generation, name, clean, expiryInterval, broker.clock.now(), receiveMaximum, record, delay];
    return link.runForBytes(claimScript, allKeys(keys.sessionOf(clientId)), values);
  }

  private async tellRelease(release: Release): Promise<void> {
    const { link, keys, name, broker } = this.node;
    const { clientId, generation, expiryInterval, unsent, will } = release;
    try {
      if (!link) throw new Error('Redis is away');
      const values = [generation, name, broker.clock.now(), expiryInterval, unsent, will];
      const sessionKeys = keys.sessionOf(clientId);
      const answer = await link.turns.inOrder(sessionKeys.queue, () =>
        link.run(releaseScript, allKeys(sessionKeys), values),
      );
      await this.due.released(link, clientId, answer);
      if (!this.claiming.has(clientId)) await this.disown(link, clientId);
    } catch (error) {
      this.unreleased.push(release);
      link?.noteError(error);
    }
  }
}

/** Whether Redis may have something of the client's once it has claimed. */
const isKept = ({ client, expiryInterval, will }: ClaimRequest): boolean =>
  expiryInterval > 0 || will !== undefined || !client.cleanStart;

interface Release {
  readonly clientId: string;
  readonly generation: number;
  readonly expiryInterval: number;
  /** Nothing where it is not known. */
  readonly unsent: number | '';
  readonly will: WillFate;
}

function stateOf(answer: ClaimAnswer): ClaimedState {
  const [, isPresent, , tail, received, handedOver, inFlight, next, queued] = answer;
  return {
    isPresent: isPresent === 1,
    next: Number(next),
    tail: Number(tail),
    received: new Map(pairs(received).map(([packetId, name]) => [Number(packetId), name.toString()])),
    handedOver: handedOver.map(Number),
    inFlight: pairs(inFlight).map(([sequence, record]) => [Number(sequence), record]),
    queued: pairs(queued).map(([sequence, record]) => [Number(sequence), record]),
  };
}

const pairs = (flat: readonly Buffer[]): [Buffer, Buffer][] =>
  Array.from({ length: flat.length / 2 }, (_, index) => [flat[index * 2], flat[index * 2 + 1]]);

/** Sessions asked after with one round trip. */
const atOnce = 500;
