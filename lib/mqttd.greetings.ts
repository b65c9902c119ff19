import type { MessageFields } from './broker/message.js';
import { MQTTdUsageError } from './mqttd.errors.js';
import { encodePayload } from './mqttd.payload.js';
import { hasWildcard, isTopicName, matches } from './topics/topic-names.js';
import type { QoS } from './protocol/packets.js';

/** What an `@OnSubscribe` method may return, alone or in an array. */
export interface MQTTdGreeting {
  readonly topic: string;
  /** Encoded as `publish` does it. */
  readonly payload: unknown;
  /** Default 0; lowered to what was granted. */
  readonly qos?: QoS;
  /** Default false. */
  readonly retain?: boolean;
}

/**
 * What an `@OnSubscribe` method returns to grant less than the client has asked for.
 * @param qos the highest QoS that is granted
 * @param greeting sent to the client as if it had been returned
 */
export const grantQoS = (qos: QoS, ...greeting: readonly MQTTdGreeting[]): MQTTdGrant => new Granted(qos, greeting);

export type MQTTdGrant = Granted;

class Granted {
  constructor(
    readonly qos: QoS,
    readonly greeting: readonly MQTTdGreeting[],
  ) {}
}

export const isGranted = (value: unknown): value is MQTTdGrant => value instanceof Granted;

/** The lowest of all. */
export const grantedQoS = ({ qos }: MQTTdGrant, before: QoS = 2): QoS => (qos < before ? qos : before);

/**
 * The messages that the values of an `@OnSubscribe` method stand for.
 * @param filter the requested filter, without `$share/group/`
 * @throws MQTTdUsageError INVALID_TOPIC
 */
export function greetings(values: readonly unknown[], filter: string): MessageFields[] {
  return values.flatMap((value) => {
    if (value === undefined || value === null) return [];
    if (isGranted(value)) return value.greeting.map((one) => toMessage(one, filter));
    if (isGreeting(value)) return [toMessage(value, filter)];
    if (Array.isArray(value) && value.length > 0 && value.every(isGreeting)) {
      return value.map((one) => toMessage(one, filter));
    }
    if (!hasWildcard(filter)) return [toMessage({ topic: filter, payload: value }, filter)];
    throw new MQTTdUsageError(
      'INVALID_TOPIC',
      `a bare value cannot be sent to ${JSON.stringify(filter)}, which has a wildcard; return { topic, payload }`,
    );
  });
}

const isGreeting = (value: unknown): value is MQTTdGreeting =>
  typeof value === 'object' &&
  value !== null &&
  'payload' in value &&
  'topic' in value &&
  typeof value.topic === 'string';

function toMessage({ topic, payload, qos = 0, retain = false }: MQTTdGreeting, filter: string): MessageFields {
  if (!isTopicName(topic) || !matches(filter, topic)) {
    throw new MQTTdUsageError(
      'INVALID_TOPIC',
      `the topic ${JSON.stringify(topic)} is outside the requested filter ${JSON.stringify(filter)}`,
    );
  }
  return { topic, payload: encodePayload(payload), qos, retain };
}
