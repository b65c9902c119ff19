import { describe, expect, it } from '@jest/globals';
import { Message } from '../../../lib/broker/message.js';
import type { Properties } from '../../../lib/protocol/properties.js';

const messageOf = (properties?: Properties) =>
  Message.of({ topic: 'a', payload: Buffer.from('x'), qos: 0, retain: false, properties }, 0);

/** How much larger a message is by its properties. */
const sizeOf = (properties: Properties): number => messageOf(properties).size - messageOf().size;

describe('Message.size', () => {
  it.each<[string, Properties, number]>([
    ['a content type', { contentType: 'x'.repeat(1000) }, 1000],
    ['a response topic', { responseTopic: 'x'.repeat(1000) }, 1000],
    ['correlation data', { correlationData: Buffer.alloc(1000) }, 1000],
    ['names of user properties', { userProperties: [['x'.repeat(1000), '']] }, 1000],
    ['values of user properties', { userProperties: [['', 'x'.repeat(1000)]] }, 1000],
  ])('counts %s', (_title, properties, bytes) => {
    expect(sizeOf(properties)).toBeGreaterThanOrEqual(bytes);
  });

  it('[A9] counts many empty user properties as well: they take room too', () => {
    const userProperties = Array.from({ length: 10_000 }, () => ['', ''] as const);

    expect(sizeOf({ userProperties })).toBeGreaterThanOrEqual(10_000 * 50);
  });

  it('is the same before and after the message was encoded: what is counted is given back', () => {
    const message = messageOf({ userProperties: [['name', 'value']] });
    const { size } = message;

    for (const version of [4, 5] as const) message.frame(version, true);

    expect(message.size).toBe(size);
  });
});

describe('Message.forgetFrames', () => {
  it.each([4, 5] as const)('lets frames of version %i be made anew, with the same bytes', (version) => {
    const message = messageOf({ contentType: 'text/plain' });
    const before = message.frame(version, true);
    expect(message.frame(version, true)).toBe(before);

    message.forgetFrames();

    const after = message.frame(version, true);
    expect(after).not.toBe(before);
    expect(after).toEqual(before);
  });
});
