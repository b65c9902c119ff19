import { createHash } from 'node:crypto';
import type { Broker } from '../broker/broker.js';
import type { Session } from '../broker/session.js';
import { MqttError } from '../protocol/mqtt-error.js';
import { ReasonCode } from '../protocol/reason-codes.js';
import { claimHeader } from './node-frame.js';
import type { RedisLink } from './redis-link.js';
import type { NodeSettings, RedisKeys } from './redis-options.js';

/**
 * Who has a client: the node where it has connected last.
 *
 * A script takes the next generation, remembers it for the client and tells every node. A node that hears of a higher
 * generation lets its client go; one that was not listening compares when it is back. The generations of all clients come
 * from one counter: one for each client would have to be kept for ever.
 */
export class RedisClaims {
  link: RedisLink | undefined;
  /** The highest generation that was heard of. */
  private highest = 0;
  /** Clients whose own claim is on its way, and the highest generation that was heard for each meanwhile. */
  private readonly claiming = new Map<string, { count: number; heard: number }>();

  constructor(
    private readonly node: string,
    private readonly keys: RedisKeys,
    private readonly settings: NodeSettings,
    private readonly broker: () => Broker,
  ) {}

  /** @returns the generation; 0 while Redis is away, then it is claimed when Redis is back */
  async claim(clientId: string): Promise<number> {
    const { link } = this;
    if (!link) return 0;
    try {
      const generation = await this.take(link, clientId);
      if (generation !== undefined) return generation;
    } catch (error) {
      link.noteError(error);
      return 0;
    }
    throw new MqttError(ReasonCode.SessionTakenOver, 'the client connected to another node meanwhile');
  }

  /** Another node has a client. */
  hear(clientId: string, generation: number): void {
    this.highest = Math.max(this.highest, generation);
    const claiming = this.claiming.get(clientId);
    // Which of the two is newer is known when our own is.
    if (claiming) claiming.heard = Math.max(claiming.heard, generation);
    else this.letGo(clientId, generation);
  }

  /** Claims what connected while Redis was away, and lets go what has connected elsewhere meanwhile. */
  async compare(link: RedisLink): Promise<void> {
    // A Redis that has forgotten goes on behind what it had given out.
    await link.commands.eval(raiseScript, 1, this.keys.generations, this.highest);
    const sessions = [...this.broker().sessions.values()];
    for (let start = 0; start < sessions.length; start += atOnce) {
      const some = sessions.slice(start, start + atOnce);
      const known = await link.commands.mget(some.map(({ clientId }) => this.key(clientId)));
      for (const [index, { clientId, generation }] of some.entries()) {
        if (generation > 0) this.letGo(clientId, Number(known[index] ?? 0));
      }
      // Some may have been let go while we asked.
      const isHere = (session: Session) => this.broker().sessions.get(session.clientId) === session;
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
    const session = this.broker().sessions.get(clientId);
    if (session && session.generation < generation) this.broker().letGo(clientId);
  }

  /** The next generation; undefined when another node has taken a later one before this one could be used. */
  private async take(link: RedisLink, clientId: string): Promise<number | undefined> {
    const { generations, all } = this.keys;
    const claiming = this.claiming.get(clientId) ?? { count: 0, heard: 0 };
    claiming.count++;
    this.claiming.set(clientId, claiming);
    try {
      const values = [this.settings.claimMs, claimHeader(this.node, clientId)];
      const keys = [generations, this.key(clientId), all];
      const generation = Number(await link.commands.eval(claimScript, keys.length, ...keys, ...values));
      this.highest = Math.max(this.highest, generation);
      if (claiming.heard <= generation) return generation;
      this.letGo(clientId, claiming.heard);
      return undefined;
    } finally {
      if (--claiming.count === 0) this.claiming.delete(clientId);
    }
  }

  private key(clientId: string): string {
    return this.keys.claim(createHash('sha256').update(clientId).digest('base64url'));
  }
}

/** Sessions compared with one command. */
const atOnce = 500;

const raiseScript = `
if tonumber(redis.call('GET', KEYS[1]) or '0') < tonumber(ARGV[1]) then redis.call('SET', KEYS[1], ARGV[1]) end
return 0`;

const claimScript = `
local generation = redis.call('INCR', KEYS[1])
redis.call('SET', KEYS[2], generation, 'PX', ARGV[1])
redis.call('PUBLISH', KEYS[3], ARGV[2] .. string.format('%.0f', generation))
return generation`;
