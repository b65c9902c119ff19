import type { Subscription } from '../topics/subscription.js';
import type { Auth } from './auth.js';
import type { Client } from './client.js';
import type { Entrance } from './entrance.js';
import type { Log } from './log.js';

/** What one client may receive: the Auth is asked once for each topic, and what it said holds until rights change. */
export class ReceiveRights {
  private readonly known = new Map<string, boolean>();
  private lastTopic: string | undefined;
  private lastVerdict = true;

  private constructor(
    readonly client: Client,
    readonly entrance: Entrance,
    private readonly log: Log,
  ) {}

  /** @returns undefined where the client may receive everything, so that nobody need be asked */
  static of(client: Client, entrance: Entrance, log: Log): ReceiveRights | undefined {
    const isLimited = entrance.auth.mayReceive !== undefined || entrance.mountPoint !== '';
    return isLimited ? new ReceiveRights(client, entrance, log) : undefined;
  }

  mayReceive(topic: string): boolean {
    // Most clients get one message after the other on a topic.
    if (topic === this.lastTopic) return this.lastVerdict;
    const verdict = this.known.get(topic) ?? this.ask(topic);
    this.lastTopic = topic;
    this.lastVerdict = verdict;
    return verdict;
  }

  /** Rights have changed. */
  forget(): void {
    this.known.clear();
    this.lastTopic = undefined;
  }

  /** An Auth that fails must cost neither the publisher nor other subscribers anything. */
  private ask(topic: string): boolean {
    const { auth, mountPoint } = this.entrance;
    let verdict = false;
    try {
      // Nothing but true lets a message through: not even a promise, which cannot be waited for here.
      const isAllowed = !auth.mayReceive || (auth.mayReceive(this.client, topic) as unknown) === true;
      verdict = isAllowed && topic.startsWith(mountPoint);
    } catch (error) {
      this.log.error(`mayReceive failed id=${JSON.stringify(this.client.clientId)}`, error);
    }
    if (this.known.size >= knownTopics) this.known.clear();
    this.known.set(topic, verdict);
    return verdict;
  }
}

/** Which of its subscriptions a client may not have, or not any more: filters as it wrote them. */
export function barredSubscriptions(
  auth: Auth,
  client: Client,
  held: ReadonlyMap<string, Subscription>,
): readonly string[] | Promise<readonly string[]> {
  const filters = [...held.keys()];
  const verdicts = Array.from(held.values(), ({ filter }) => auth.maySubscribe(client, filter));
  const barred = (known: readonly boolean[]): string[] => filters.filter((_, index) => !known[index]);
  if (verdicts.every((verdict) => typeof verdict === 'boolean')) return barred(verdicts);
  return Promise.all(verdicts.map(async (verdict) => verdict)).then(barred);
}

/** Topics of one client whose verdicts are remembered. */
const knownTopics = 256;
