import type { SharedSubscription } from '../broker/shared-subscription.js';
import { decodeDelivery, shareOf } from './queue-record.js';
import type { RedisLink } from './redis-link.js';
import type { RedisNode } from './redis-node.js';
import { withdrawScript } from './session-scripts.js';

/**
 * Gives what stands in the queue of a session on behalf of groups to other members of those groups, if any is connected.
 *
 * [MQTT-4.8.2-4] what was not sent yet, and when the session is over or its node was lost, so that nobody knows what was
 * sent, all of QoS 1; [MQTT-4.8.2-5] QoS 2 that was or may have been sent stays. First the others have it, then it leaves
 * the queue: who dies in between makes it come twice at QoS 1.
 *
 * @param groups `$share/group/filter` of each
 * @param how the client is `away` and what was sent is known, its node was `lost`, or its session is `over`
 */
export async function handBack(
  node: RedisNode,
  link: RedisLink,
  clientId: string,
  groups: readonly string[],
  how: 'away' | 'lost' | 'over',
): Promise<void> {
  const { broker, keys } = node;
  const online = new Map<string, SharedSubscription>();
  for (const name of groups) {
    const group = broker.subscriptions.group(name);
    if (group?.isOnline) online.set(name, group);
  }
  if (online.size === 0) return;
  const { session, queue, expiring } = keys.sessionOf(clientId);
  const unsent = Number((await link.commands.hget(session, 'f')) ?? 0);
  const isMeant = (sequence: number, qos: number) => sequence >= unsent || (how !== 'away' && qos === 1);
  const entries = await sharedEntries(link, queue, online, isMeant);
  for (let start = 0; start < entries.length; start += atOnce) {
    const some = entries.slice(start, start + atOnce);
    for (const { record, share } of some) {
      const { message } = decodeDelivery(record, broker.clock.now(), () => undefined);
      online.get(share)!.handOut(message);
    }
    await broker.barrier.kept(undefined);
    const sequences = some.map(({ sequence }) => sequence);
    await link.run(withdrawScript, [session, queue, expiring], sequences);
  }
}

interface SharedEntry {
  readonly sequence: number;
  readonly record: Buffer;
  readonly share: string;
}

/** In the order of the queue. */
async function sharedEntries(
  link: RedisLink,
  queue: string,
  groups: ReadonlyMap<string, SharedSubscription>,
  isMeant: (sequence: number, qos: number) => boolean,
): Promise<SharedEntry[]> {
  const entries: SharedEntry[] = [];
  let cursor = '0';
  do {
    const [next, found] = await link.commands.hscanBuffer(queue, cursor, 'COUNT', 500);
    cursor = next.toString();
    for (let at = 0; at + 1 < found.length; at += 2) {
      const [sequence, record] = [Number(found[at]), found[at + 1]];
      const { share, qos } = shareOf(record);
      if (groups.has(share) && isMeant(sequence, qos)) entries.push({ sequence, record, share });
    }
  } while (cursor !== '0');
  return entries.sort((one, other) => one.sequence - other.sequence);
}

/** Messages handed out with one wait. */
const atOnce = 200;
