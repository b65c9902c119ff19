import { redisScript } from './redis-scripts.js';

/**
 * Takes messages out of the queue of a client that is away into the hands of a node.
 * KEYS s q e h. ARGV generation of the session, until when they should be handed back (ms), sequence numbers ....
 * Answers those that were there; none when the client has come back.
 */
export const withdrawScript = redisScript<number[]>(`
local s = redis.call('HMGET', KEYS[1], 'g', 'o', 'b')
if s[1] ~= ARGV[1] or s[2] ~= '' then return {} end
local bytes, withdrawn = tonumber(s[3]), {}
for at = 3, #ARGV do
  local record = redis.call('HGET', KEYS[2], ARGV[at])
  if record then
    redis.call('HSET', KEYS[4], 'until', ARGV[2], s[1] .. '.' .. ARGV[at], record)
    redis.call('HDEL', KEYS[2], ARGV[at])
    redis.call('ZREM', KEYS[3], ARGV[at])
    bytes = bytes - #record
    withdrawn[#withdrawn + 1] = tonumber(ARGV[at])
  end
end
redis.call('HSET', KEYS[1], 'b', bytes)
return withdrawn`);

/**
 * Takes over what another node should have handed back by now.
 * KEYS h. ARGV now, until when it should be handed back (ms). Answers field, record ....
 */
export const takeUnfinishedScript = redisScript<Buffer[]>(`
local till = redis.call('HGET', KEYS[1], 'until')
if not till or tonumber(till) > tonumber(ARGV[1]) then return {} end
redis.call('HDEL', KEYS[1], 'until')
local unfinished = redis.call('HGETALL', KEYS[1])
if #unfinished > 0 then redis.call('HSET', KEYS[1], 'until', ARGV[2]) end
return unfinished`);

/** They are handed back. KEYS h. ARGV fields .... */
export const handedBackScript = redisScript<number>(`
redis.call('HDEL', KEYS[1], unpack(ARGV))
if redis.call('HLEN', KEYS[1]) == 1 then redis.call('DEL', KEYS[1]) end
return 0`);
