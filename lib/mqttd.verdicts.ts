import type { Decision } from './broker/decider.js';
import { Message } from './broker/message.js';
import { MQTTdUsageError } from './mqttd.errors.js';
import { encodePayload } from './mqttd.payload.js';
import { checkProperties } from './mqttd.properties.js';
import type { MQTTdPublishOptions } from './mqttd.publisher.js';
import { ownProperties } from './protocol/properties.js';
import { ReasonCode } from './protocol/reason-codes.js';
import { isTopicName } from './topics/topic-names.js';

/** What an `@OnPublish` method in the mode `gate` may return; anything else, or nothing, lets the message pass as it came. */
export type MQTTdVerdict = Dropped | Replaced;

/**
 * Nobody gets the message, though it is accepted.
 * @param reasonCode what an MQTT 5 publisher is told: below 0x80, default 0x10 (no matching subscribers)
 */
export const dropMessage = (reasonCode: number = ReasonCode.NoMatchingSubscribers): MQTTdVerdict =>
  new Dropped(reasonCode);

/** Another message takes its place; what is left out is as it came. */
export const replaceMessage = (replacement: MQTTdReplacement): MQTTdVerdict => new Replaced(replacement);

export interface MQTTdReplacement extends MQTTdPublishOptions {
  readonly topic?: string;
  /** Encoded as `publish` does it. */
  readonly payload?: unknown;
}

class Dropped {
  constructor(readonly reasonCode: number) {}
}

class Replaced {
  constructor(readonly replacement: MQTTdReplacement) {}
}

/**
 * @param value what a gate has returned
 * @throws MQTTdUsageError INVALID_TOPIC | INVALID_PROPERTY
 */
export function decisionOf(value: unknown, message: Message, now: number): Decision {
  if (value instanceof Dropped) {
    const isAccepted = value.reasonCode >= 0 && value.reasonCode < 0x80;
    return { reasonCode: isAccepted ? value.reasonCode : ReasonCode.NoMatchingSubscribers, isDropped: true };
  }
  if (value instanceof Replaced) return { reasonCode: 0, replacement: replaced(message, value.replacement, now) };
  return { reasonCode: 0 };
}

function replaced(message: Message, replacement: MQTTdReplacement, now: number): Message {
  const { topic = message.topic, qos = message.qos, retain = message.retain, payload, ...given } = replacement;
  if (!isTopicName(topic)) {
    throw new MQTTdUsageError('INVALID_TOPIC', `replaceMessage: ${JSON.stringify(topic)} is not a topic name`);
  }
  checkProperties(topic, given);
  const properties = ownProperties({ ...message.properties, ...given });
  const bytes = 'payload' in replacement ? encodePayload(payload) : message.payload;
  const { publisher } = message;
  return Message.of({ topic, payload: bytes, qos, retain, properties, publisher }, now);
}
