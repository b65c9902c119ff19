import type { Session } from '../broker/session.js';
import { MqttError } from '../protocol/mqtt-error.js';
import { ReasonCode } from '../protocol/reason-codes.js';
import { claimHeader, type NodeFrame } from './node-frame.js';
import type { RedisLink } from './redis-link.js';
import type { NodePart, RedisNode } from './redis-node.js';
import { hashOf } from './redis-options.js';
import { redisScript } from './redis-scripts.js';

/**
 * Who has a client: the node where it has connected last.
 *
 * A claim takes the next generation, has it remembered for the client unless there is a higher one, and tells every node.
 * A node that hears of a higher generation lets its client go; one that was not listening compares when it is back: so a
 * claim is told only after it is remembered. The generations of all clients come from one counter: one for each client
 * would have to be kept for ever. Three steps and not one script: in a Redis Cluster each stands on a server of its own.
 */
export class RedisClaims implements NodePart {
  /** The highest generation that was heard of. */
  private highest = 0;
  /** Clients whose own claim is on its way, and the highest generation that was heard for each meanwhile. */
  private readonly claiming = new Map<string, Claiming>();

  constructor(private readonly node: RedisNode) {}

  resume(link: RedisLink): Promise<void> {
    return this.compare(link);
  }

  missed(link: RedisLink): Promise<void> {
    return this.compare(link);
  }

  hear(frame: NodeFrame): boolean {
    if (frame.kind !== 'claim') return false;
    this.hearClaim(frame.clientId, frame.generation);
    return true;
  }

  /**
   * @param enter is given the generation; 0 while Redis is away, then it is claimed when Redis is back
   * @returns what `enter` gives, unless a newer connection was heard of before that
   */
  async claim<T>(clientId: string, enter: (generation: number) => Promise<T>): Promise<T> {
    const claiming = this.begin(clientId);
    let generation = 0;
    try {
      generation = await this.generationFor(clientId);
      const entered = await enter(generation);
      if (generation > 0 && generation < claiming.heard) throw takenOver();
      return entered;
    } finally {
      this.end(clientId, claiming, generation);
    }
  }

  private async generationFor(clientId: string): Promise<number> {
    const { link } = this.node;
    if (!link) return 0;
    let generation: number | undefined;
    try {
      generation = await this.take(link, clientId);
    } catch (error) {
      link.noteError(error);
      return 0;
    }
    if (generation === undefined) throw takenOver();
    return generation;
  }

  /** From here on what is heard of the client is remembered, until its connection is among the sessions or is not. */
  private begin(clientId: string): Claiming {
    const claiming = this.claiming.get(clientId) ?? { count: 0, heard: 0 };
    claiming.count++;
    this.claiming.set(clientId, claiming);
    return claiming;
  }

  private end(clientId: string, claiming: Claiming, generation: number): void {
    if (--claiming.count === 0) this.claiming.delete(clientId);
    if (claiming.heard > generation) this.letGo(clientId, claiming.heard);
  }

  /** Another node has a client. */
  private hearClaim(clientId: string, generation: number): void {
    this.highest = Math.max(this.highest, generation);
    const claiming = this.claiming.get(clientId);
    // Which of the two is newer is known when our own is.
    if (claiming) claiming.heard = Math.max(claiming.heard, generation);
    else this.letGo(clientId, generation);
  }

  /** Claims what connected while Redis was away, and lets go what has connected elsewhere meanwhile. */
  private async compare(link: RedisLink): Promise<void> {
    // A Redis that has forgotten goes on behind what it had given out.
    await link.run(raiseScript, [this.node.keys.generations], [this.highest]);
    const sessions = [...this.node.broker.sessions.values()];
    for (let start = 0; start < sessions.length; start += atOnce) {
      const some = sessions.slice(start, start + atOnce);
      // No MGET: in a Redis Cluster each of them may be elsewhere.
      const known = await Promise.all(some.map(({ clientId }) => link.commands.get(this.key(clientId))));
      for (const [index, { clientId, generation }] of some.entries()) {
        if (generation > 0) this.letGo(clientId, Number(known[index] ?? 0));
      }
      // Some may have been let go while we asked.
      const isHere = (session: Session) => this.node.broker.sessions.get(session.clientId) === session;
      const unclaimed = some.filter((session) => session.generation === 0 && isHere(session));
      await Promise.all(unclaimed.map((session) => this.claimLate(link, session)));
    }
  }

  private async claimLate(link: RedisLink, session: Session): Promise<void> {
    const generation = await this.take(link, session.clientId);
    // It may have connected again, and so claimed again, while we asked.
    if (session.generation === 0 && generation !== undefined) session.generation = generation;
  }

  private letGo(clientId: string, generation: number): void {
    const session = this.node.broker.sessions.get(clientId);
    if (session && session.generation < generation) this.node.broker.sessions.letGo(clientId);
  }

  /** The next generation; undefined when another node has taken a later one before this one could be used. */
  private async take(link: RedisLink, clientId: string): Promise<number | undefined> {
    const claiming = this.begin(clientId);
    try {
      const generation = await link.commands.incr(this.node.keys.generations);
      const highest = Number(
        await link.run(claimScript, [this.key(clientId)], [generation, this.node.settings.claimMs]),
      );
      this.highest = Math.max(this.highest, highest);
      if (highest === generation) await this.tell(link, clientId, generation);
      // The counter may have been lost where the claim was not: the next generation shall be a new one.
      else await link.run(raiseScript, [this.node.keys.generations], [highest]);
      // Of two connections to this node the other one may have been first with all that follows.
      claiming.heard = Math.max(claiming.heard, highest);
      if (claiming.heard === generation) return generation;
      this.letGo(clientId, claiming.heard);
      return undefined;
    } finally {
      this.end(clientId, claiming, Infinity);
    }
  }

  private async tell(link: RedisLink, clientId: string, generation: number): Promise<void> {
    const claim = Buffer.concat([claimHeader(this.node.name, clientId), Buffer.from(String(generation))]);
    await link.publish(this.node.keys.all, claim);
  }

  private key(clientId: string): string {
    return this.node.keys.claim(hashOf(clientId));
  }
}

interface Claiming {
  count: number;
  heard: number;
}

const takenOver = (): MqttError =>
  new MqttError(ReasonCode.SessionTakenOver, 'the client connected to another node meanwhile');

/** Sessions compared at once. */
const atOnce = 500;

const raiseScript = redisScript(`
if tonumber(redis.call('GET', KEYS[1]) or '0') < tonumber(ARGV[1]) then redis.call('SET', KEYS[1], ARGV[1]) end
return 0`);

/** Answers the highest generation that has the client. */
const claimScript = redisScript<string>(`
local highest = redis.call('GET', KEYS[1])
if highest and tonumber(highest) > tonumber(ARGV[1]) then return highest end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]`);
