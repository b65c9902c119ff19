import { ReasonCode } from '../protocol/reason-codes.js';
import type { Match } from '../topics/match.js';
import type { Broker } from './broker.js';
import type { Message } from './message.js';
import type { Subscriber } from './router.js';

/** What is decided about a message, and what its publisher is told. */
export interface Decision {
  /** Below 0x80 the message is accepted. */
  readonly reasonCode: number;
  /** Told beside a code that refuses. */
  readonly reasonString?: string | undefined;
  /** Nobody gets it, though it is accepted. */
  readonly isDropped?: boolean;
  /** What is routed in its place. */
  readonly replacement?: Message | undefined;
  /** It was not refused: deciding failed. A publisher of 3.1.1, which cannot be told, shall send it again. */
  readonly isFault?: boolean;
}

/** A Subscriber whose decision is what the publisher is told: a `gate` before anybody gets the message, an `ack` when all have. */
export interface Decider extends Subscriber {
  readonly decides: 'gate' | 'ack';
  /** Must not reject, and must settle some day. */
  decide(message: Message): Promise<Decision>;
}

export const accepted: Decision = { reasonCode: 0 };

/** Nobody has decided, and nobody will. */
export const undecided: Decision = { reasonCode: ReasonCode.ImplementationSpecificError, isFault: true };

export const isRefused = ({ reasonCode }: Decision): boolean => reasonCode >= 0x80;

/** One gate after another, each with what the one before has made of the message; the first that refuses or drops is the last. */
export async function passGates({ gates }: Match<Subscriber>, message: Message): Promise<Decision> {
  let passing = message;
  for (const gate of (gates ?? []) as readonly Decider[]) {
    const decision = await gate.decide(passing);
    if (isRefused(decision) || decision.isDropped) return decision;
    passing = decision.replacement ?? passing;
  }
  return passing === message ? accepted : { reasonCode: 0, replacement: passing };
}

/** Publishes what has passed the gates; a promise where somebody has to have heard it before it is acknowledged. */
export function publishDecided(broker: Broker, message: Message, decision: Decision): Decision | Promise<Decision> {
  if (isRefused(decision) || decision.isDropped) return decision;
  const passed = decision.replacement ?? message;
  const match = broker.topics.match(passed.topic);
  const reasonCode = broker.publish(passed, match);
  if (isRefused({ reasonCode })) return refusalOf(broker, reasonCode);
  return match.acks ? heard(match, passed) : { reasonCode };
}

/** Where there is no room it may be another time, and who cannot be told so shall come again with it. */
export const refusalOf = ({ limits }: Broker, reasonCode: number): Decision => ({
  reasonCode,
  isFault: reasonCode === ReasonCode.QuotaExceeded && limits.onQueueFull === 'refuse',
});

/** All hear it side by side; the first of them that refuses is the one whose reason counts. */
export async function heard({ acks }: Match<Subscriber>, message: Message): Promise<Decision> {
  const decisions = await Promise.all(((acks ?? []) as readonly Decider[]).map((ack) => ack.decide(message)));
  return decisions.find(isRefused) ?? accepted;
}
