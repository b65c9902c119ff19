import { describe, expect, it } from '@jest/globals';
import { ReasonCode } from '../../../lib/protocol/reason-codes.js';
import { SeenTopics } from '../../../lib/protocol/seen-topics.js';
import { thrownBy } from '../../support/decoding.js';

const decode = (topics: SeenTopics, name: string | Buffer) => {
  const bytes = Buffer.concat([Buffer.from('<<'), Buffer.from(name), Buffer.from('>>')]);
  return topics.decode(bytes, 2, bytes.length - 2);
};
const kept = (topics: SeenTopics) => topics['nameAt'].filter((name) => name !== '');

describe('SeenTopics', () => {
  it('gives the same name for the same bytes, the first time and later', () => {
    const topics = new SeenTopics();

    expect(decode(topics, 'größe/€')).toBe('größe/€');
    expect(decode(topics, 'größe/€')).toBe('größe/€');
  });

  it('keeps a copy of the bytes and no view into the read buffer', () => {
    const topics = new SeenTopics();
    const bytes = Buffer.from('Aa');
    topics.decode(bytes, 0, 2);

    // The same slot, so that a view would be taken for this name.
    bytes.write('BB');

    expect(topics.decode(bytes, 0, 2)).toBe('BB');
  });

  it('tells names apart that fall into one slot', () => {
    const topics = new SeenTopics();
    // 31 * 'A' + 'a' = 31 * 'B' + 'B': equal under the hash.
    const [first, second] = ['Aa', 'BB'];

    expect(decode(topics, first)).toBe('Aa');
    expect(decode(topics, second)).toBe('BB');
    expect(decode(topics, first)).toBe('Aa');
    expect(kept(topics)).toHaveLength(1);
  });

  it('tells a name from its beginning, also where both fall into one slot', () => {
    const topics = new SeenTopics();
    // About one pair in 4096 shares a slot.
    const names = Array.from({ length: 50_000 }, (_, index) => `prefix/${index}`);

    const beginnings = names.map((name) => {
      decode(topics, name);
      return decode(topics, name.slice(0, -1));
    });

    expect(beginnings).toEqual(names.map((name) => name.slice(0, -1)));
  });

  it('holds a fixed number of names, whatever number comes', () => {
    const topics = new SeenTopics();
    const flood = Array.from({ length: 50_000 }, (_, index) => `flood/${index}`);

    const decoded = flood.map((name) => decode(topics, name));

    expect(decoded).toEqual(flood);
    expect(kept(topics).length).toBeLessThanOrEqual(4096);
  });

  it('does not keep names that are seen once, which would only push out others', () => {
    const topics = new SeenTopics();
    for (let count = 0; count < 2; count++) decode(topics, 'often');

    for (let index = 0; index < 50_000; index++) decode(topics, `once/${index}`);

    expect(kept(topics)).toEqual(['often']);
  });

  it('tells a hash that is always the same for a name, and 0 for a long one', () => {
    const topics = new SeenTopics();
    const hashOf = (name: string): number => {
      decode(topics, name);
      return topics.lastHash;
    };

    expect(hashOf('a/b')).toBe(hashOf('a/b'));
    expect(hashOf('a/b')).not.toBe(hashOf('a/c'));
    expect(hashOf('x'.repeat(129))).toBe(0);
  });

  it('does not keep long names', () => {
    const topics = new SeenTopics();

    for (let count = 0; count < 2; count++) expect(decode(topics, 'x'.repeat(129))).toBe('x'.repeat(129));
    expect(kept(topics)).toHaveLength(0);
    for (let count = 0; count < 2; count++) decode(topics, 'x'.repeat(128));
    expect(kept(topics)).toHaveLength(1);
  });

  it.each([
    ['[MQTT-3.3.2-2]', 'a/+', ReasonCode.TopicNameInvalid],
    ['[MQTT-3.3.2-2]', '#', ReasonCode.TopicNameInvalid],
    ['[MQTT-1.5.4-2]', 'a\0b', ReasonCode.MalformedPacket],
    ['[MQTT-1.5.4-1]', Buffer.from([0xed, 0xa0, 0x80]), ReasonCode.MalformedPacket],
  ])('%s refuses %j each time, and keeps nothing of it', (_rule, name, reasonCode) => {
    const topics = new SeenTopics();

    expect(thrownBy(() => decode(topics, name))).toMatchObject({ reasonCode });
    expect(thrownBy(() => decode(topics, name))).toMatchObject({ reasonCode });
    expect(kept(topics)).toHaveLength(0);
  });
});
