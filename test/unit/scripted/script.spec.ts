import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { replyPayloadOf } from '../../../lib/scripted/reply-payload.js';
import { parseScript } from '../../../lib/scripted/script.js';

/** By the key of the file: the name here, and what a value of 7 makes of it. */
const meanings = {
  version: ['version', 7],
  'PUBLISH-before-SUBACK': ['publishesBeforeSuback', true],
  'short-PUBLISH': ['shortensPublish', true],
  'error-CONNACK': ['connackCode', 7],
  'remlen-CONNACK': ['connackLength', 7],
  'PINGRESP-as-CONNACK': ['answersPingresp', true],
  'DISCONNECT-malformed': ['malformsDisconnect', true],
  'excessive-remaining': ['exceedsRemaining', true],
  Testnum: ['testNumber', 7],
} as const;
const keys = Object.keys(meanings) as (keyof typeof meanings)[];

const defaults = {
  version: 5,
  publishesBeforeSuback: false,
  shortensPublish: false,
  connackCode: 0,
  connackLength: 2,
  answersPingresp: false,
  malformsDisconnect: false,
  exceedsRemaining: false,
  testNumber: undefined,
  isScripted: false,
};

const parse = (text: string) => {
  const warnings: string[] = [];
  const script = parseScript(text, (line) => warnings.push(line));
  return { script, warnings };
};

describe('the configuration file of the test server', () => {
  it('means nothing when it is empty, has a version alone, or only comments', () => {
    for (const text of ['', '\n\n', 'version 5\n', '# error-CONNACK 3\n', '   \n\t'])
      expect(parse(text)).toEqual({ script: defaults, warnings: [] });
  });

  it.each(keys)('knows %s, whatever blanks stand around it and whatever else is in the file', (key) => {
    const [name, value] = meanings[key];
    const isScripted = key !== 'version';
    for (const text of [`${key} 7`, `  ${key}\t 7 \r\n`, `${key} 7 and more\n`, `nothing 1\n${key} 7\n`])
      expect(parse(text).script).toEqual({ ...defaults, [name]: value, isScripted });
  });

  it.each(keys)('takes %s alone on its line where it is a flag, and else leaves it out with a word', (key) => {
    const [name, value] = meanings[key];
    const { script, warnings } = parse(`${key}\n`);
    if (value === true) expect(script).toEqual({ ...defaults, [name]: true, isScripted: true });
    else expect([script, warnings]).toEqual([defaults, [`${key}: "" is not a number that it can be`]]);
  });

  it.each(['256', '-1', 'x', '0x10', '1.5', ''])('leaves out a number that is none: %p', (value) => {
    for (const key of ['version', 'error-CONNACK', 'remlen-CONNACK'])
      expect(parse(`${key} ${value}`)).toMatchObject({ script: defaults, warnings: [expect.stringContaining(key)] });
  });

  it('takes any Testnum', () => {
    expect(parse('Testnum 1190').script).toEqual({ ...defaults, testNumber: 1190, isScripted: true });
  });

  it.each(['unknown', 'constructor', '__proto__', 'publish-before-suback'])('says that it does not know %s', (key) => {
    expect(parse(`${key} 1`)).toEqual({ script: defaults, warnings: [`unknown key ${JSON.stringify(key)}`] });
  });

  it('looks at 31 characters of a key', () => {
    expect(parse('x'.repeat(100)).warnings).toEqual([`unknown key "${'x'.repeat(31)}"`]);
  });

  it('gives back what was written, in any order and with any noise between', () => {
    const entry = fc.constantFrom(...keys);
    const noise = fc.stringMatching(/^[a-z ]{0,20}$/).map((text) => `noise ${text}`);
    fc.assert(
      fc.property(fc.uniqueArray(entry), fc.array(noise), (chosen, others) => {
        const lines = chosen.flatMap((key, index) => [`${key} 7`, ...others.slice(index, index + 1)]);
        const wanted = Object.fromEntries(chosen.map((key) => meanings[key]));
        const isScripted = chosen.some((key) => key !== 'version');
        expect(parse(lines.join('\n')).script).toEqual({ ...defaults, ...wanted, isScripted });
      }),
    );
  });
});

describe('the payload in a file of curl’s tests', () => {
  const file = (tag: string, ...lines: string[]) =>
    Buffer.from(
      `<testcase>\n<reply>\n${tag}\n${lines.map((line) => `${line}\n`).join('')}</data>\n</reply>\n<client>\n`,
    );

  it.each<[string, Buffer, string]>([
    ['is the raw lines of its section', file('<data>', 'hello', ' world'), 'hello\n world\n'],
    ['loses its last newline where it is told to', file('<data nonewline="yes">', 'hello'), 'hello'],
    ['is decoded where it is told to', file('<data base64="yes">', 'aGVs', 'bG8='), 'hello'],
    ['is decoded and cut', file('<data nocheck="yes" base64="yes" nonewline="yes">', 'aGVsbG8K'), 'hello'],
    ['is empty where the section is', file('<data>'), ''],
    ['is empty, and not less, without a newline to lose', file('<data nonewline="yes">'), ''],
    ['is empty where there is no reply', Buffer.from('<testcase>\n<data>\nx\n</data>\n'), ''],
    ['is empty where the reply has no data', Buffer.from('<reply>\n<datacheck>\nx\n</datacheck>\n</reply>\n'), ''],
    [
      'is of the reply, and not of what follows',
      Buffer.from('<reply>\n</reply>\n<verify>\n<data>\nx\n</data>\n</verify>\n'),
      '',
    ],
    ['is the first of several', Buffer.from('<reply>\n<data>\n1\n</data>\n<data1>\n2\n</data1>\n</reply>\n'), '1\n'],
    ['goes on to the end where it has none', Buffer.from('<reply>\n<data>\nx\ny'), 'x\ny'],
  ])('%s', (_title, bytes, payload) => {
    expect(replyPayloadOf(bytes).toString()).toBe(payload);
  });

  it('may be any bytes', () => {
    const withoutTags = fc.uint8Array().filter((bytes) => !Buffer.from(bytes).includes('<'));
    fc.assert(
      fc.property(withoutTags, (bytes) => {
        const section = Buffer.concat([
          Buffer.from('<reply>\n<data nonewline="yes">\n'),
          bytes,
          Buffer.from('\n</data>\n'),
        ]);
        expect(replyPayloadOf(section)).toEqual(Buffer.from(bytes));
      }),
    );
  });
});
