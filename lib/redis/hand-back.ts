import { handedBackScript, takeUnfinishedScript, withdrawScript } from './hand-back-scripts.js';
import { decodeDelivery, shareOf } from '../records/delivery-record.js';
import type { RedisLink } from './redis-link.js';
import type { RedisNode } from './redis-node.js';

/**
 * Gives what stands in the queue of a session on behalf of groups to other members of those groups, if any is connected.
 *
 * [MQTT-4.8.2-4] what was not sent yet, and when the session is over or its node was lost, so that nobody knows what was
 * sent, all of QoS 1; [MQTT-4.8.2-5] QoS 2 that was or may have been sent stays. A message leaves the queue into the hands
 * of this node, where no other node and no client that comes back finds it; if the node dies over it, another one does it
 * again after the time of a lease: it may come twice then, and is not lost.
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
  const online = new Set(groups.filter((name) => node.broker.subscriptions.group(name)?.isOnline));
  if (online.size === 0) return;
  const { session, queue, expiring, handingBack } = node.keys.sessionOf(clientId);
  const [generation, unsent] = await link.commands.hmget(session, 'g', 'f');
  if (generation === null) return;
  const isMeant = (sequence: number, qos: number) => sequence >= Number(unsent) || (how !== 'away' && qos === 1);
  const entries = await sharedEntries(link, queue, online, isMeant);
  if (entries.length > 0) await link.commands.zadd(node.keys.due, 'LT', dueOf(node), clientId);
  for (let start = 0; start < entries.length; start += atOnce) {
    const some = new Map(entries.slice(start, start + atOnce));
    const values = [generation, dueOf(node), ...some.keys()];
    const withdrawn = await link.run(withdrawScript, [session, queue, expiring, handingBack], values);
    const inHand = withdrawn.map((sequence): InHand => [`${generation}.${sequence}`, some.get(sequence)!]);
    await handOut(node, link, handingBack, inHand);
  }
}

/** Does what another node has left undone. */
export async function finishHandingBack(node: RedisNode, link: RedisLink, clientId: string): Promise<void> {
  const { handingBack } = node.keys.sessionOf(clientId);
  const values = [node.broker.clock.now(), dueOf(node)];
  const unfinished = await link.runForBytes(takeUnfinishedScript, [handingBack], values);
  const inHand = Array.from({ length: unfinished.length / 2 }, (_, index): InHand => {
    return [unfinished[index * 2].toString(), unfinished[index * 2 + 1]];
  });
  for (let start = 0; start < inHand.length; start += atOnce) {
    await handOut(node, link, handingBack, inHand.slice(start, start + atOnce));
  }
}

/** Field and record. */
type InHand = readonly [field: string, record: Buffer];

async function handOut(node: RedisNode, link: RedisLink, key: string, inHand: readonly InHand[]): Promise<void> {
  if (inHand.length === 0) return;
  const { broker } = node;
  for (const [field, record] of inHand) {
    try {
      const group = broker.subscriptions.group(shareOf(record).share);
      group?.handOut(decodeDelivery(record, broker.clock.now(), () => undefined).message);
    } catch (error) {
      broker.log.error(`message ${field} of a group cannot be read`, error);
    }
  }
  await broker.barrier.kept(undefined);
  await link.run(
    handedBackScript,
    [key],
    inHand.map(([field]) => field),
  );
}

/** Sequence number and record, in the order of the queue. */
async function sharedEntries(
  link: RedisLink,
  queue: string,
  groups: ReadonlySet<string>,
  isMeant: (sequence: number, qos: number) => boolean,
): Promise<[number, Buffer][]> {
  const entries: [number, Buffer][] = [];
  let cursor = '0';
  do {
    const [next, found] = await link.commands.hscanBuffer(queue, cursor, 'COUNT', 500);
    cursor = next.toString();
    for (let at = 0; at + 1 < found.length; at += 2) {
      const [sequence, record] = [Number(found[at]), found[at + 1]];
      const { share, qos } = shareOf(record);
      if (groups.has(share) && isMeant(sequence, qos)) entries.push([sequence, record]);
    }
  } while (cursor !== '0');
  return entries.sort(([one], [other]) => one - other);
}

/** When another node does what this one has not done by then. */
const dueOf = ({ broker, settings }: RedisNode): number => broker.clock.now() + settings.leaseMs;

/** Messages handed out with one wait. */
const atOnce = 200;
