import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a subscriber gets where no file says anything else. */
export const defaultPayload = Buffer.from('this is random payload yes yes it is');

/**
 * The payload that the file `testN` has: what stands in `<data>` of its `<reply>`.
 * @throws Error when there is no such file
 */
export function readReplyPayload(directory: string, testNumber: number): Buffer {
  return replyPayloadOf(readFileSync(join(directory, `test${testNumber}`)));
}

/** The raw lines of the section, the last newline included; nothing where there is none. */
export function replyPayloadOf(file: Buffer): Buffer {
  // One character for each byte: the payload need not be text.
  const lines = file.toString('latin1').split(/(?<=\n)/);
  const reply = lines.findIndex((line) => /^\s*<reply[\s>]/.test(line));
  if (reply < 0) return Buffer.alloc(0);
  const end = lines.findIndex((line, index) => index > reply && /^\s*<\/reply>/.test(line));
  const section = lines.slice(reply + 1, end < 0 ? undefined : end);
  const begin = section.findIndex((line) => /^\s*<data[\s>]/.test(line));
  if (begin < 0) return Buffer.alloc(0);
  const rest = section.slice(begin + 1);
  const stop = rest.findIndex((line) => /^\s*<\/data>/.test(line));
  const raw = Buffer.from(rest.slice(0, stop < 0 ? undefined : stop).join(''), 'latin1');
  return asTold(raw, section[begin]);
}

function asTold(raw: Buffer, tag: string): Buffer {
  const data = /\bbase64=/.test(tag) ? Buffer.from(raw.toString('latin1'), 'base64') : raw;
  return /\bnonewline=/.test(tag) ? data.subarray(0, Math.max(0, data.length - 1)) : data;
}
