import { describe, expect, it, jest } from '@jest/globals';
import { ReasonCode } from '../../../lib/protocol/reason-codes.js';
import { SeenTopics } from '../../../lib/protocol/seen-topics.js';
import { thrownBy } from '../../support/decoding.js';

const decode = (topics: SeenTopics, name: string | Buffer) => {
  const bytes = Buffer.concat([Buffer.from('<<'), Buffer.from(name), Buffer.from('>>')]);
  return topics.decode(bytes, 2, bytes.length - 2);
};
const kept = (topics: SeenTopics) => topics['nameAt'].filter((name) => name !== '');

/** Two names of one length. */
function inOneSlot(): [string, string] {
  const topics = new SeenTopics();
  for (let number = 1000; ; number++) {
    const before = kept(topics);
    const name = `name/${number}`;
    for (let count = 0; count < 2; count++) decode(topics, name);
    const replaced = before.find((one) => !kept(topics).includes(one));
    if (replaced !== undefined) return [replaced, name];
  }
}

/** 128 characters, each half the opposite of the other, and so on downwards. */
function thueMorse(one: string, other: string): string {
  let [text, opposite] = [one, other];
  while (text.length < 128) [text, opposite] = [text + opposite, opposite + text];
  return text;
}

describe('SeenTopics', () => {
  it('gives the same name for the same bytes, the first time and later', () => {
    const topics = new SeenTopics();

    expect(decode(topics, 'größe/€')).toBe('größe/€');
    expect(decode(topics, 'größe/€')).toBe('größe/€');
  });

  it('keeps a copy of the bytes and no view into the read buffer', () => {
    const topics = new SeenTopics();
    const [first, second] = inOneSlot();
    const bytes = Buffer.from(first);
    for (let count = 0; count < 2; count++) topics.decode(bytes, 0, bytes.length);

    // The same slot, so that a view would be taken for this name.
    bytes.write(second);

    expect(topics.decode(bytes, 0, bytes.length)).toBe(second);
  });

  it('tells names apart that fall into one slot', () => {
    const topics = new SeenTopics();
    const [first, second] = inOneSlot();

    for (const name of [first, first, second, second, first]) expect(decode(topics, name)).toBe(name);

    expect(kept(topics)).toEqual([second]);
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

  it.each([
    ['multiply by 31', ['AaAa', 'BBBB', 'AaBB']],
    ['multiply by any odd number', [thueMorse('a', 'b'), thueMorse('b', 'a')]],
  ])('tells different hashes of names that collide for who would %s, others in each process', async (_how, names) => {
    const hashes = new Set<number>();
    for (let process = 0; process < 10; process++) {
      jest.resetModules();
      const loaded = await import('../../../lib/protocol/seen-topics.js');
      const topics = new loaded.SeenTopics();
      for (const name of names) {
        decode(topics, name);
        hashes.add(topics.lastHash);
      }
    }

    expect(hashes.size).toBe(10 * names.length);
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
