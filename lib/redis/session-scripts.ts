import { redisScript } from './redis-scripts.js';

/**
 * The scripts that keep sessions in Redis. Each touches the keys of one client, which stand in one slot:
 *
 * - `s` hash, the session: `g` generation of the connection that has it, `o` the node of that connection (empty while the
 *   client is away), `x` expiry interval in seconds, `e` when it ends (ms), `h` and `t` first and next sequence number of
 *   the queue, `f` first sequence number that was never sent, `b` bytes in the queue, `k` 1 where
 *   there is a queue (a session that ends with its connection and leaves a will has none), `m` messages in flight at most
 * - `q` hash, the queue: sequence number -> record
 * - `o` set: sequence numbers whose PUBREC came, so that only PUBREL is repeated
 * - `r` hash: packet identifiers of QoS 2 messages received and not released -> publishId
 * - `i` sorted set: the publishIds that the queue has seen, by time
 * - `e` sorted set: sequence numbers of messages that expire, by when (ms)
 * - `w` hash, the wills: `r<generation>` record, `v<generation>` delay (ms), `d<generation>` when it is due (ms; absent
 *   while its client is connected), `c<generation>` until when a node has it in hand (ms)
 * - `h` hash, what a node is handing back to other members of groups: `<generation>.<sequence number>` record, `until` when
 *   (ms) it should have done so
 */
export const sessionKeys = (prefix: string, clientHash: string) => {
  const of = (part: string) => `${prefix}:${part}:{${clientHash}}`;
  return {
    session: of('s'),
    queue: of('q'),
    handedOver: of('o'),
    received: of('r'),
    seen: of('i'),
    wills: of('w'),
    expiring: of('e'),
    handingBack: of('h'),
  };
};

export type SessionKeys = ReturnType<typeof sessionKeys>;

/** In the order in which scripts that touch everything have them. */
export const allKeys = (keys: SessionKeys): string[] => [
  keys.session,
  keys.queue,
  keys.handedOver,
  keys.received,
  keys.seen,
  keys.wills,
  keys.expiring,
  keys.handingBack,
];

/** Makes the wills of earlier connections due, or forgets them, when a newer one comes; `over` when the session ends. */
const settleWills = `
local function settleWills(key, generation, now, over)
  for _, field in ipairs(redis.call('HKEYS', key)) do
    local g = string.sub(field, 2)
    if string.sub(field, 1, 1) == 'r' and tonumber(g) < tonumber(generation) then
      local due = redis.call('HGET', key, 'd' .. g)
      local delay = tonumber(redis.call('HGET', key, 'v' .. g))
      if over or (not due and delay == 0) then
        if not due or tonumber(due) > now then redis.call('HSET', key, 'd' .. g, string.format('%.0f', now)) end
      elseif not due or tonumber(due) > now then
        redis.call('HDEL', key, 'r' .. g, 'v' .. g, 'd' .. g, 'c' .. g)
      end
    end
  end
end
`;

/** When something is to be done next for a client: its first will, the end of its session ...; -1 for never. */
const nextDue = `
local function nextDue(session, wills, handingBack)
  local first = -1
  local function at(value)
    local time = tonumber(value or '')
    if time and (first < 0 or time < first) then first = time end
  end
  local s = redis.call('HMGET', session, 'o', 'e')
  if s[1] == '' then at(s[2]) end
  at(redis.call('HGET', handingBack, 'until'))
  for _, field in ipairs(redis.call('HKEYS', wills)) do
    if string.sub(field, 1, 1) == 'd' then
      at(redis.call('HGET', wills, 'c' .. string.sub(field, 2)) or redis.call('HGET', wills, field))
    end
  end
  return string.format('%.0f', first)
end
`;

/**
 * KEYS s q o r i w e h. ARGV generation, node, clean start (1), expiry interval, now, messages in flight at most,
 * will record or nothing, will delay (ms).
 * Answers 0 when a newer connection has the session, else: 1, session present (1) or discarded (2), next due, tail,
 * received (id, name ...), handed over, in flight (sequence number, record ...), next to read from the queue, and what of it
 * stands here already (sequence number, record ...): the first of what waits, so that it needs no second question.
 */
export const claimScript = redisScript<ClaimAnswer>(`${settleWills}${nextDue}
local s = redis.call('HMGET', KEYS[1], 'g', 'o', 'x', 'h', 't', 'f', 'e', 'm')
if tonumber(s[1] or '0') > tonumber(ARGV[1]) then return {0} end
local now = tonumber(ARGV[5])
-- It may be over without anybody having looked.
local isOver = s[2] == '' and s[7] and s[7] ~= '' and tonumber(s[7]) <= now
local isPresent = s[3] and s[3] ~= '0' and ARGV[3] == '0' and not isOver
settleWills(KEYS[6], ARGV[1], now, not isPresent)
if not isPresent then redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[7]) end
if isPresent or ARGV[4] ~= '0' or ARGV[7] ~= '' then
  local hasQueue = (isPresent or ARGV[4] ~= '0') and 1 or 0
  redis.call('HSET', KEYS[1], 'g', ARGV[1], 'o', ARGV[2], 'x', ARGV[4], 'k', hasQueue, 'm', ARGV[6])
  redis.call('HDEL', KEYS[1], 'e')
  for _, field in ipairs({'h', 't', 'f', 'b'}) do redis.call('HSETNX', KEYS[1], field, 0) end
end
if ARGV[7] ~= '' then redis.call('HSET', KEYS[6], 'r' .. ARGV[1], ARGV[7], 'v' .. ARGV[1], ARGV[8]) end
local due = nextDue(KEYS[1], KEYS[6], KEYS[8])
if not isPresent then return {1, s[3] and 2 or 0, due, '0', {}, {}, {}, '0', {}} end
local head, tail, unsent = tonumber(s[4]), tonumber(s[5]), tonumber(s[6])
if s[2] ~= '' then unsent = math.min(tail, math.max(unsent, head + tonumber(s[8]))) end
local function read(first, last, mostBytes)
  local found, bytes, sequence = {}, 0, first
  while sequence <= last and bytes < mostBytes do
    local number = string.format('%.0f', sequence)
    local record = redis.call('HGET', KEYS[2], number)
    if record then
      found[#found + 1] = number
      found[#found + 1] = record
      bytes = bytes + #record
    end
    sequence = sequence + 1
  end
  return found, sequence
end
local inFlight = read(head, unsent - 1, math.huge)
local queued, next = read(unsent, math.min(tail, unsent + 128) - 1, 65536)
return {1, 1, due, s[5], redis.call('HGETALL', KEYS[4]), redis.call('SMEMBERS', KEYS[3]), inFlight,
  string.format('%.0f', next), queued}`);

/** Messages and bytes in a queue; an acknowledgement that Redis refused half-way, for want of memory, leaves bytes behind. */
const queueSize = `
local function queueSize(queue, bytes)
  local count = redis.call('HLEN', queue)
  return count, count == 0 and 0 or tonumber(bytes)
end
`;

/**
 * KEYS s q i e. ARGV now, messages at most, bytes at most, 'dropOldest' or 'dropNewest', count of names to forget,
 * names ..., and for each message: its name or nothing, when it expires or nothing, record.
 * Answers the node that has the client (nothing while it is away; -1 without a session), how many others were dropped,
 * and for each message its sequence number, -1 when the queue has seen its name, -2 when there is no room.
 */
export const appendScript = redisScript<AppendAnswer>(`${queueSize}
local s = redis.call('HMGET', KEYS[1], 'k', 'o', 'h', 't', 'f', 'b', 'm')
if s[1] ~= '1' then return {'-1', 0} end
local now, most, mostBytes = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local head, tail, unsent = tonumber(s[3]), tonumber(s[4]), tonumber(s[5])
local count, bytes = queueSize(KEYS[2], s[6])
-- While the client is connected, the first ones are in flight and not waiting.
if s[2] ~= '' then
  most = most + tonumber(s[7])
  unsent = math.max(unsent, head + tonumber(s[7]))
end
local forgotten = tonumber(ARGV[5])
if forgotten > 0 then redis.call('ZREM', KEYS[3], unpack(ARGV, 6, 5 + forgotten)) end
local answer = {s[2], 0}
local function isFull(record)
  return count > 0 and (count >= most or bytes + #record > mostBytes)
end
local function drop(sequence)
  local length = redis.call('HSTRLEN', KEYS[2], sequence)
  if length == 0 then return end
  redis.call('HDEL', KEYS[2], sequence)
  redis.call('ZREM', KEYS[4], sequence)
  count, bytes, answer[2] = count - 1, bytes - length, answer[2] + 1
end
for at = 6 + forgotten, #ARGV, 3 do
  local name, expiresAt, record = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local result = -2
  if name ~= '' and redis.call('ZSCORE', KEYS[3], name) then
    result = -1
  else
    if isFull(record) then
      for _, sequence in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', now)) do
        if tonumber(sequence) >= unsent then drop(sequence) end
      end
    end
    if ARGV[4] == 'dropOldest' then
      while isFull(record) and unsent < tail do
        drop(string.format('%.0f', unsent))
        unsent = unsent + 1
      end
    end
    if not isFull(record) then
      result = string.format('%.0f', tail)
      redis.call('HSET', KEYS[2], result, record)
      if expiresAt ~= '' then redis.call('ZADD', KEYS[4], expiresAt, result) end
      tail, count, bytes = tail + 1, count + 1, bytes + #record
    end
    if name ~= '' then redis.call('ZADD', KEYS[3], now, name) end
  end
  answer[#answer + 1] = result
end
local seen = redis.call('ZCARD', KEYS[3])
if seen > 20000 then redis.call('ZREMRANGEBYRANK', KEYS[3], 0, seen - 20001) end
redis.call('HSET', KEYS[1], 't', string.format('%.0f', tail), 'b', bytes)
return answer`);

/**
 * KEYS s q o e. ARGV generation, node, count of handed over, handed over sequence numbers ..., settled ones ....
 * Answers the tail of the queue, or -1 when the session is not this connection's any more. Without numbers it only asks.
 */
export const acknowledgeScript = redisScript<string>(`
local s = redis.call('HMGET', KEYS[1], 'g', 'o', 'h', 't', 'b')
if s[1] ~= ARGV[1] or s[2] ~= ARGV[2] then return '-1' end
local head, tail, bytes = tonumber(s[3]), tonumber(s[4]), tonumber(s[5])
local over = tonumber(ARGV[3])
for at = 4, #ARGV do
  -- First what Redis refuses without memory: a message is deleted only when it is known that its PUBREC came.
  if at < 4 + over then redis.call('SADD', KEYS[3], ARGV[at]) else redis.call('SREM', KEYS[3], ARGV[at]) end
  local length = redis.call('HSTRLEN', KEYS[2], ARGV[at])
  if length > 0 then
    redis.call('HDEL', KEYS[2], ARGV[at])
    redis.call('ZREM', KEYS[4], ARGV[at])
    bytes = bytes - length
  end
end
if #ARGV > 3 then
  while head < tail do
    local number = string.format('%.0f', head)
    if redis.call('HEXISTS', KEYS[2], number) == 1 or redis.call('SISMEMBER', KEYS[3], number) == 1 then break end
    head = head + 1
  end
  redis.call('HSET', KEYS[1], 'h', string.format('%.0f', head), 'b', bytes)
end
return s[4]`);

/**
 * The connection is over. KEYS s q o r i w e h. ARGV generation or nothing, node, now, expiry interval or nothing for what it
 * is, first sequence number that was never sent or nothing where that is not known, 'discarded' | 'due' | 'atSessionEnd'.
 * Answers 0 when the session is another's (by its generation, or by its node where no generation is given), else:
 * 1, whether the session has ended, next due.
 */
export const releaseScript = redisScript<ReleaseAnswer>(`${nextDue}
local s = redis.call('HMGET', KEYS[1], 'g', 'o', 'x', 'h', 't', 'f', 'm')
if not s[1] then return {0} end
if (ARGV[1] ~= '' and s[1] ~= ARGV[1]) or s[2] ~= ARGV[2] then return {0} end
local now = tonumber(ARGV[3])
local expiry = ARGV[4] == '' and s[3] or ARGV[4]
local endsAt = expiry == '4294967295' and '' or string.format('%.0f', now + tonumber(expiry) * 1000)
local g = s[1]
if redis.call('HEXISTS', KEYS[6], 'r' .. g) == 1 then
  if ARGV[6] == 'discarded' or (ARGV[6] == 'atSessionEnd' and expiry == '0') then
    redis.call('HDEL', KEYS[6], 'r' .. g, 'v' .. g)
  elseif ARGV[6] == 'due' then
    local due = now + math.min(tonumber(redis.call('HGET', KEYS[6], 'v' .. g)), tonumber(expiry) * 1000)
    redis.call('HSET', KEYS[6], 'd' .. g, string.format('%.0f', due))
  end
end
local ended = 0
if expiry == '0' then
  ended = 1
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[7])
else
  local unsent = ARGV[5]
  if unsent == '' then
    unsent = string.format('%.0f', math.min(tonumber(s[5]), math.max(tonumber(s[6]), tonumber(s[4]) + tonumber(s[7]))))
  end
  redis.call('HSET', KEYS[1], 'o', '', 'x', expiry, 'f', unsent, 'e', endsAt)
end
return {1, ended, nextDue(KEYS[1], KEYS[6], KEYS[8])}`);

/**
 * What is due of a client. KEYS s q o r i w e h. ARGV now, how long this node has the wills in hand (ms).
 * Answers whether there is no session (any more), next due, whether a node has left unfinished what it was handing back, and
 * the wills: generation, record ....
 */
export const takeDueScript = redisScript<TakeDueAnswer>(`${settleWills}${nextDue}
local now = tonumber(ARGV[1])
local s = redis.call('HMGET', KEYS[1], 'o', 'e')
local ended = s[1] and 0 or 1
if s[1] == '' and s[2] ~= '' and tonumber(s[2]) <= now then
  ended = 1
  settleWills(KEYS[6], '9007199254740991', now, true)
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[7])
end
local wills = {}
for _, field in ipairs(redis.call('HKEYS', KEYS[6])) do
  local g = string.sub(field, 2)
  if string.sub(field, 1, 1) == 'd' and tonumber(redis.call('HGET', KEYS[6], field)) <= now then
    local inHand = redis.call('HGET', KEYS[6], 'c' .. g)
    if not inHand or tonumber(inHand) <= now then
      redis.call('HSET', KEYS[6], 'c' .. g, string.format('%.0f', now + tonumber(ARGV[2])))
      wills[#wills + 1] = g
      wills[#wills + 1] = redis.call('HGET', KEYS[6], 'r' .. g)
    end
  end
end
local till = tonumber(redis.call('HGET', KEYS[8], 'until') or '')
local isUnfinished = till and till <= now and 1 or 0
return {ended, nextDue(KEYS[1], KEYS[6], KEYS[8]), isUnfinished, unpack(wills)}`);

/**
 * KEYS s r. ARGV generation, packet identifier, name. Answers the name under which the message is routed: an earlier one
 * when it was recorded before; nothing when the session is not this connection's any more.
 */
export const admitScript = redisScript<string>(`
if redis.call('HGET', KEYS[1], 'g') ~= ARGV[1] then return '' end
redis.call('HSETNX', KEYS[2], ARGV[2], ARGV[3])
return redis.call('HGET', KEYS[2], ARGV[2])`);

/** KEYS due. ARGV client id, score as it was read: takes it out unless it was set anew meanwhile. */
export const undueScript = redisScript<number>(`
if redis.call('ZSCORE', KEYS[1], ARGV[1]) == ARGV[2] then redis.call('ZREM', KEYS[1], ARGV[1]) end
return 0`);

type Texts = readonly Buffer[];

export type ClaimAnswer = [
  isClaimed: number,
  isPresent: number,
  due: Buffer,
  tail: Buffer,
  received: Texts,
  handedOver: Texts,
  inFlight: Texts,
  next: Buffer,
  queued: Texts,
];

export type AppendAnswer = [node: string, dropped: number, ...sequences: (string | number)[]];

export type ReleaseAnswer = [isReleased: number, isOver: number, due: string];

export type TakeDueAnswer = [isOver: number, next: Buffer, isUnfinished: number, ...wills: Buffer[]];
