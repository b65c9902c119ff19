import type { Message } from './message.js';

/** A member of a Shared Subscription, as far as choosing one needs to know it. */
export interface ShareMember {
  readonly clientId: string;
  readonly isOnline: boolean;
  /** QoS 1 and 2 messages sent to it and not acknowledged. */
  readonly inFlight: number;
  /** QoS 1 and 2 messages that wait for it. */
  readonly queued: number;
}

/**
 * Picks the member that gets a message.
 * @param candidates the members that are online, or all when none is; at least one
 */
export type ShareStrategy = <M extends ShareMember>(candidates: readonly M[], message: Message) => M;

/** The strategies that have a name. */
export type ShareStrategyName = 'roundRobin' | 'leastInFlight' | 'sticky' | 'hashOfClient' | 'hashOfTopic';

/** Each group has a strategy of its own, as most remember something. */
const strategies: Readonly<Record<ShareStrategyName, () => ShareStrategy>> = {
  /** Each in turn. */
  roundRobin: () => {
    let turn = 0;
    return (candidates) => candidates[turn++ % candidates.length];
  },
  /** Who has the least to do; the first of equals. */
  leastInFlight: () => (candidates) =>
    candidates.reduce((least, member) => (load(member) < load(least) ? member : least)),
  /** The same one as long as it is there. */
  sticky: () => {
    let chosen: string | undefined;
    return (candidates) => {
      const member = candidates.find(({ clientId }) => clientId === chosen) ?? candidates[0];
      chosen = member.clientId;
      return member;
    };
  },
  /** All messages of one publisher to the same member, as long as the members stay the same. */
  hashOfClient: () => (candidates, message) => candidates[hash(message.publisher?.clientId ?? '') % candidates.length],
  /** All messages of one topic to the same member, as long as the members stay the same. */
  hashOfTopic: () => (candidates, message) => candidates[hash(message.topic) % candidates.length],
};

export const shareStrategyNames = Object.keys(strategies) as ShareStrategyName[];

export const makeShareStrategy = (strategy: ShareStrategyName | ShareStrategy): ShareStrategy =>
  typeof strategy === 'function' ? strategy : strategies[strategy]();

const load = ({ inFlight, queued }: ShareMember) => inFlight + queued;

function hash(text: string): number {
  let sum = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) sum = Math.imul(sum ^ text.charCodeAt(at), 0x01000193);
  return sum >>> 0;
}
