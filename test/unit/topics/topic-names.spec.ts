import { describe, expect, it } from '@jest/globals';
import {
  covers,
  hasWildcard,
  isShared,
  isTopicFilter,
  isTopicName,
  matches,
  maximumLevels,
  parsePattern,
  parseShare,
} from '../../../lib/topics/topic-names.js';

const levels = (count: number, level: string) => Array.from({ length: count }, () => level).join('/');

describe('isTopicName', () => {
  it.each(['a', '/', '//', 'a/b', ' ', '$SYS/x', '__proto__', 'größe/€/😀', 'x'.repeat(65_535)])(
    'takes %.20s',
    (topic) => {
      expect(isTopicName(topic)).toBe(true);
    },
  );

  it.each([
    ['[MQTT-4.7.3-1]', ''],
    ['[MQTT-4.7.3-2]', 'a\0b'],
    ['[MQTT-4.7.3-3]', 'x'.repeat(65_536)],
    ['[MQTT-4.7.3-3]', 'é'.repeat(32_768)],
    ['[MQTT-4.7.0-1]', '+'],
    ['[MQTT-4.7.0-1]', 'a/#'],
    ['[MQTT-4.7.0-1]', 'a+b'],
  ])('%s refuses %.20j', (_rule, topic) => {
    expect(isTopicName(topic)).toBe(false);
  });

  it('[A10] refuses a topic of 65,535 slashes', () => {
    expect(isTopicName('/'.repeat(65_535))).toBe(false);
  });

  it('[A10] takes 128 levels and no more', () => {
    expect(isTopicName(levels(maximumLevels, 'a'))).toBe(true);
    expect(isTopicName(levels(maximumLevels + 1, 'a'))).toBe(false);
  });
});

describe('isTopicFilter', () => {
  it.each(['a', '/', '+', '#', '+/+', '/+', '+/', 'a/+/b', 'a/#', '/#', '+/#', '$SYS/#', '$shared/a', 'a/$share/b'])(
    'takes %s',
    (filter) => {
      expect(isTopicFilter(filter)).toBe(true);
    },
  );

  it.each([
    ['[MQTT-4.7.1-1]', '#/a'],
    ['[MQTT-4.7.1-1]', 'a/#/b'],
    ['[MQTT-4.7.1-1]', 'a#'],
    ['[MQTT-4.7.1-1]', 'a/b#'],
    ['[MQTT-4.7.1-1]', '##'],
    ['[MQTT-4.7.1-2]', 'a+'],
    ['[MQTT-4.7.1-2]', '+a/b'],
    ['[MQTT-4.7.1-2]', '++'],
    ['[MQTT-4.7.1-2]', 'a/+b'],
    ['[MQTT-4.7.1-2]', '+#'],
    ['[MQTT-4.7.3-1]', ''],
    ['[MQTT-4.7.3-2]', 'a/\0'],
    ['[MQTT-4.7.3-3]', `${'x'.repeat(65_534)}/#`],
  ])('%s refuses %.20j', (_rule, filter) => {
    expect(isTopicFilter(filter)).toBe(false);
  });

  it('[A10] takes a filter of 100 +, and of 128 levels, and no deeper', () => {
    expect(isTopicFilter(levels(100, '+'))).toBe(true);
    expect(isTopicFilter(levels(maximumLevels, '+'))).toBe(true);
    expect(isTopicFilter(levels(maximumLevels + 1, '+'))).toBe(false);
    expect(isTopicFilter('/'.repeat(65_535))).toBe(false);
  });

  it.each(['$share/g/a', '$share/g/#', '$share/g/+/b', '$share/g//', '$share/$g/$SYS/#'])(
    '[MQTT-4.8.2-1] takes the shared filter %s',
    (filter) => {
      expect(isTopicFilter(filter)).toBe(true);
    },
  );

  it.each([
    ['[MQTT-4.8.2-1]', '$share//a'],
    ['[MQTT-4.8.2-1]', '$share'],
    ['[MQTT-4.8.2-1]', '$share/'],
    ['[MQTT-4.8.2-2]', '$share/g'],
    ['[MQTT-4.8.2-2]', '$share/g/'],
    ['[MQTT-4.8.2-2]', '$share/+/a'],
    ['[MQTT-4.8.2-2]', '$share/g#/a'],
    ['[MQTT-4.7.1-1]', '$share/g/#/a'],
    ['[MQTT-4.8.2-1]', '$share/g/$share/h/a'],
  ])('%s refuses the shared filter %s', (_rule, filter) => {
    expect(isTopicFilter(filter)).toBe(false);
  });
});

describe('parseShare', () => {
  it('[MQTT-4.8.2-2] splits after the ShareName', () => {
    expect(parseShare('$share/group/a/+/b')).toEqual({ group: 'group', filter: 'a/+/b' });
    expect(parseShare('$share/g//')).toEqual({ group: 'g', filter: '/' });
  });

  it('[A13] takes a ShareName that JavaScript treats specially', () => {
    expect(parseShare('$share/__proto__/constructor')).toEqual({ group: '__proto__', filter: 'constructor' });
  });

  it.each(['a/b', '$share', '$share/', '$share//a', '$share/g', '$share/g/', '$share/+/a', '$shared/g/a'])(
    'gives undefined for %s',
    (filter) => {
      expect(parseShare(filter)).toBeUndefined();
    },
  );
});

describe('isShared', () => {
  it('tells what is meant as a Shared Subscription, well-formed or not', () => {
    expect(['$share/g/a', '$share//a', '$share'].map(isShared)).toEqual([true, true, true]);
    expect(['$shared/g/a', 'a/$share/b', 'share/g/a'].map(isShared)).toEqual([false, false, false]);
  });
});

describe('hasWildcard', () => {
  it('finds + and # anywhere', () => {
    expect(['a/+', '#', 'a#b'].map(hasWildcard)).toEqual([true, true, true]);
    expect(['a/b', '$SYS', ''].map(hasWildcard)).toEqual([false, false, false]);
  });
});

describe('matches', () => {
  it.each([
    ['sport/tennis/player1/#', 'sport/tennis/player1'],
    ['sport/tennis/player1/#', 'sport/tennis/player1/score/wimbledon'],
    ['sport/#', 'sport'],
    ['sport/+', 'sport/'],
    ['+/+', '/finance'],
    ['/+', '/finance'],
    ['#', '/'],
    ['$SYS/#', '$SYS/monitor/Clients'],
    ['$SYS/monitor/+', '$SYS/monitor/Clients'],
  ])('[MQTT-4.7.1-1] [MQTT-4.7.1-2] %s gets %s', (filter, topic) => {
    expect(matches(filter, topic)).toBe(true);
  });

  it.each([
    ['[MQTT-4.7.1-2]', 'sport/+', 'sport'],
    ['[MQTT-4.7.1-2]', '+', '/finance'],
    ['[MQTT-4.7.1-2]', 'sport/tennis/+', 'sport/tennis/player1/ranking'],
    ['[MQTT-4.7.2-1]', '#', '$SYS'],
    ['[MQTT-4.7.2-1]', '+/monitor/Clients', '$SYS/monitor/Clients'],
    ['[MQTT-4.7.3-4]', 'ACCOUNTS', 'Accounts'],
    ['[MQTT-4.7.3-4]', 'a\u030a', '\u00e5'],
  ])('%s %s does not get %s', (_rule, filter, topic) => {
    expect(matches(filter, topic)).toBe(false);
  });
});

describe('covers', () => {
  it.each([
    ['a/#', 'a'],
    ['a/#', 'a/+/b'],
    ['#', '+/+'],
    ['+/+', 'a/+'],
    ['$SYS/#', '$SYS/+'],
    ['+/#', '#'],
  ])('%s covers %s', (declared, requested) => {
    expect(covers(declared, requested)).toBe(true);
  });

  it.each([
    ['a', '+'],
    ['+', '#'],
    ['a/+', 'a/#'],
    ['a/+/#', 'a/#'],
    ['#', '$SYS/#'],
    ['+/x', '$SYS/x'],
    ['a/b', 'a'],
    ['a', 'a/b'],
  ])('%s does not cover %s', (declared, requested) => {
    expect(covers(declared, requested)).toBe(false);
  });
});

describe('parsePattern', () => {
  it.each([
    ['sensors/:id/temperature', 'sensors/+/temperature', [{ name: 'id', level: 1, isRest: false }]],
    ['files/:path#', 'files/#', [{ name: 'path', level: 1, isRest: true }]],
    [
      ':a/:b',
      '+/+',
      [
        { name: 'a', level: 0, isRest: false },
        { name: 'b', level: 1, isRest: false },
      ],
    ],
    ['a/+/b/#', 'a/+/b/#', []],
    ['time/12:30/:', 'time/12:30/:', []],
    [':__proto__', '+', [{ name: '__proto__', level: 0, isRest: false }]],
  ])('reads %s', (pattern, filter, names) => {
    expect(parsePattern(pattern)).toEqual({ filter, names });
  });

  it.each([':rest#/a', 'a/:b+', ':#'])('%s does not become a valid filter', (pattern) => {
    expect(isTopicFilter(parsePattern(pattern).filter)).toBe(false);
  });
});
