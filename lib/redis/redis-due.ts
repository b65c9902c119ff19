import { willMessage } from '../broker/wills.js';
import { finishHandingBack, handBack } from './hand-back.js';
import { decodeWill } from '../records/delivery-record.js';
import type { RedisLink } from './redis-link.js';
import { hashOf } from './redis-options.js';
import type { RedisNode } from './redis-node.js';
import type { DurableSubscriptions } from './durable-subscriptions.js';
import type { RedisAppends } from './redis-appends.js';
import {
  allKeys,
  releaseScript,
  takeDueScript,
  undueScript,
  type ClaimAnswer,
  type ReleaseAnswer,
} from './session-scripts.js';

/**
 * What is due some day: the wills of clients that are gone, and the ends of sessions whose clients stay away.
 *
 * Every node looks, and who finds something has it in hand for the time of a lease: if that node dies over it another one
 * does it again, under the same name, so that nobody gets a will twice.
 */
export class RedisDue {
  private stopTimer: (() => void) | undefined;
  private isSweeping = false;
  private isStopped = false;

  constructor(
    private readonly node: RedisNode,
    private readonly subscriptions: DurableSubscriptions,
    private readonly appends: RedisAppends,
  ) {}

  /** From now on, unless it was stopped before. */
  start(): void {
    if (this.isStopped) return;
    this.stopTimer ??= this.node.broker.clock.every(this.node.settings.sweepMs, () => void this.sweep());
  }

  /** For good. */
  stop(): void {
    this.isStopped = true;
    this.stopTimer?.();
  }

  /** A client is connected again: its session does not end now, and wills may be due. */
  async claimed(link: RedisLink, clientId: string, [, found, due]: ClaimAnswer): Promise<void> {
    if (Number(due) >= 0) await this.settle(link, clientId);
    else if (found !== 0) await link.commands.zrem(this.node.keys.due, clientId);
  }

  /** A connection is over, and Redis has said what follows. */
  async released(link: RedisLink, clientId: string, [isReleased, isOver, due]: ReleaseAnswer): Promise<void> {
    if (isReleased === 0) return;
    if (isOver === 0) await handBack(this.node, link, clientId, this.subscriptions.groupsOf(clientId), 'away');
    await this.schedule(link, clientId, Number(due));
  }

  /** The node that had the client is gone. */
  async releaseFor(link: RedisLink, clientId: string, node: string): Promise<void> {
    const { keys, broker } = this.node;
    const values = ['', node, broker.clock.now(), '', '', 'due'];
    const answer = await link.run(releaseScript, allKeys(keys.sessionOf(clientId)), values);
    if (answer[0] === 0) return;
    if (answer[1] === 1) await this.subscriptions.forget(link, clientId);
    else await handBack(this.node, link, clientId, this.subscriptions.groupsOf(clientId), 'lost');
    await this.schedule(link, clientId, Number(answer[2]));
  }

  /** Does what is due for a client by now. */
  async settle(link: RedisLink, clientId: string): Promise<void> {
    const { keys, broker, settings } = this.node;
    const now = broker.clock.now();
    const score = await link.commands.zscore(keys.due, clientId);
    const groups = this.subscriptions.groupsOf(clientId);
    if (groups.length > 0) await this.handBackBeforeItEnds(link, clientId, groups, now);
    const sessionKeys = keys.sessionOf(clientId);
    const values = [now, settings.leaseMs];
    const [isOver, next, isUnfinished, ...wills] = await link.runForBytes(takeDueScript, allKeys(sessionKeys), values);
    if (isUnfinished === 1) await finishHandingBack(this.node, link, clientId);
    if (isOver === 1) await this.subscriptions.forget(link, clientId);
    for (let at = 0; at + 1 < wills.length; at += 2) {
      await this.publishWill(link, clientId, wills[at].toString(), wills[at + 1]);
    }
    if (Number(next) >= 0) await link.commands.zadd(keys.due, Number(next), clientId);
    else if (score !== null) await link.run(undueScript, [keys.due], [clientId, score]);
  }

  private async schedule(link: RedisLink, clientId: string, due: number): Promise<void> {
    if (due >= 0) await link.commands.zadd(this.node.keys.due, due, clientId);
    if (due >= 0 && due <= this.node.broker.clock.now()) await this.settle(link, clientId);
  }

  private async sweep(): Promise<void> {
    const { link, keys, broker } = this.node;
    if (!link || this.isSweeping) return;
    this.isSweeping = true;
    try {
      const now = broker.clock.now();
      const due = await link.commands.zrangebyscore(keys.due, '-inf', now, 'LIMIT', 0, atOnce);
      for (const clientId of due) await this.settle(link, clientId);
    } catch (error) {
      link.noteError(error);
      broker.log.debug(`what is due could not be done: ${String(error)}`);
    } finally {
      this.isSweeping = false;
    }
  }

  /** What it has not acknowledged on behalf of groups goes to their other members. */
  private async handBackBeforeItEnds(
    link: RedisLink,
    clientId: string,
    groups: readonly string[],
    now: number,
  ): Promise<void> {
    const { session } = this.node.keys.sessionOf(clientId);
    const [owner, endsAt] = await link.commands.hmget(session, 'o', 'e');
    if (owner === '' && endsAt && Number(endsAt) <= now) await handBack(this.node, link, clientId, groups, 'over');
  }

  private async publishWill(link: RedisLink, clientId: string, generation: string, record: Buffer): Promise<void> {
    const { broker, keys } = this.node;
    const { wills } = keys.sessionOf(clientId);
    try {
      const { fields, client } = decodeWill(record);
      const message = willMessage(fields, client, broker.clock.now());
      message.publishId = `${hashOf(clientId)}.${generation}.will`;
      await broker.publishWill(message);
      await broker.barrier.kept(client);
      await link.commands.hdel(wills, ...['r', 'v', 'd', 'c'].map((part) => part + generation));
      this.appends.forget(message.publishId);
    } catch (error) {
      // Whoever looks when this node has it in hand no longer tries again.
      link.noteError(error);
      broker.log.error(`the will of ${JSON.stringify(clientId)} could not be published`, error);
    }
  }
}

/** Clients that are looked at in one sweep. */
const atOnce = 100;
