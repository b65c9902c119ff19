import { MQTTdUsageError } from './mqttd.errors.js';
import type { Properties } from './protocol/properties.js';
import { isTopicName } from './topics/topic-names.js';

/**
 * Looks at the properties of a message before it is stored: what does not fit into a packet would fail later, at each
 * subscriber.
 * @throws MQTTdUsageError INVALID_PROPERTY; the text names the property, not its value
 */
export function checkProperties(topic: string, properties: Properties): void {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined) continue;
    const rule = rules[name];
    if (rule?.isValid(value)) continue;
    throw new MQTTdUsageError(
      'INVALID_PROPERTY',
      `publish(${JSON.stringify(topic)}): ${name} ${rule?.remedy ?? unknown}`,
    );
  }
}

interface Rule {
  isValid(value: unknown): boolean;
  readonly remedy: string;
}

const fits = (value: unknown): value is string =>
  typeof value === 'string' && !value.includes('\0') && Buffer.byteLength(value) <= 65_535;

const rules: Readonly<Record<string, Rule>> = {
  payloadFormatIndicator: { isValid: (value) => value === 0 || value === 1, remedy: 'is 0 or 1' },
  messageExpiryInterval: {
    isValid: (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 0xffff_ffff,
    remedy: 'is a whole number of seconds from 0 to 4294967295',
  },
  contentType: { isValid: fits, remedy: 'is a string of at most 65535 bytes without NUL' },
  responseTopic: { isValid: (value) => fits(value) && isTopicName(value), remedy: 'is a topic name' },
  correlationData: {
    isValid: (value) => value instanceof Uint8Array && value.length <= 65_535,
    remedy: 'is a Buffer of at most 65535 bytes',
  },
  userProperties: {
    isValid: (value) =>
      Array.isArray(value) && value.every((pair) => Array.isArray(pair) && pair.length === 2 && pair.every(fits)),
    remedy: 'is an array of [name, value], each a string of at most 65535 bytes without NUL',
  },
};

const unknown = 'is not a property of a message; see MQTTdPublishOptions';
