import { createHash } from 'node:crypto';
import type { Cluster, Redis } from 'ioredis';

/**
 * A script that Redis runs; `Reply` is what it answers.
 *
 * ioredis sends its text once on each connection and after that its hash, and the text again where Redis has forgotten it.
 * All keys of one call stand in one slot.
 */
export interface RedisScript<Reply = unknown> {
  /** What the command is called that ioredis makes of it. */
  readonly name: string;
  readonly lua: string;
  /** No value: it only carries the type. */
  readonly reply?: Reply;
}

export const redisScript = <Reply = unknown>(lua: string): RedisScript<Reply> => ({
  name: `script:${createHash('sha1').update(lua).digest('hex')}`,
  lua,
});

export type ScriptValue = string | number | Buffer;

/** @param texts whether what Redis answers is decoded as UTF-8, or left as bytes */
export function runScript(
  connection: Redis | Cluster,
  { name, lua }: RedisScript,
  keys: readonly string[],
  values: readonly ScriptValue[],
  texts: 'decoded' | 'bytes',
): Promise<unknown> {
  const commands = connection as unknown as Record<string, (...args: readonly ScriptValue[]) => Promise<unknown>>;
  // Defined without a number of keys: that is the first argument then.
  if (!(name in commands)) connection.defineCommand(name, { lua });
  return commands[texts === 'bytes' ? `${name}Buffer` : name](keys.length, ...keys, ...values);
}
