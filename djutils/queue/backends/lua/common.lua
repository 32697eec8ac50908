-- Stands before every script. KEYS of one queue, all in one hash slot; some scripts take a tenth.
--   MESSAGES  hash  id -> payload, whatever its state           READY    list  ids of priority 0, head at the right
--   RANKED    zset  ids of every other priority, in order       DELAYED  zset  id -> due, in microseconds
--   ABOUT     hash  id -> what an ordinary message lacks        DEAD     zset  id -> died, in microseconds
--   OWNERS    hash  owner -> beats                              WAKE     zset  one member while there is work
--   COUNT     a number that only grows
-- What is lent to an owner is a set of ids. Ids sort by time: that is how what comes back is put in order.
local MESSAGES, READY, RANKED, DELAYED, ABOUT, DEAD, OWNERS, WAKE, COUNT = unpack(KEYS)

local function now()  -- in microseconds, by the server's clock
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- A script that begins by freeing may go on when the server's memory is full: so the queue can be drained.
local function begin_by_freeing() redis.call('HDEL', OWNERS, '') end

local function in_parts(list, act)  -- a call takes only some thousand arguments
  for first = 1, #list, 500 do
    act({unpack(list, first, math.min(first + 499, #list))})
  end
end

local function rest(first)  -- of ARGV
  local list = {}
  for i = first, #ARGV do list[#list + 1] = ARGV[i] end
  return list
end

local function about(id)  -- {priority, attempts, crashes, redeliveries, error, offers}
  local packed = redis.call('HGET', ABOUT, id)
  local facts = packed and cmsgpack.unpack(packed) or {0, 0, 0, 0, ''}
  facts[6] = facts[6] or 0  -- an older release counted no offers
  return facts
end

local function note(id, facts)
  redis.call('HSET', ABOUT, id, cmsgpack.pack(facts))
end

local function wake() redis.call('ZADD', WAKE, 0, '') end

-- A score orders by priority first (2^44 apart), then by COUNT; towards the head COUNT goes below zero.
local function line_up(id, priority, at_head)
  if priority == 0 then
    redis.call(at_head and 'RPUSH' or 'LPUSH', READY, id)
  else
    local order = redis.call('INCR', COUNT)
    redis.call('ZADD', RANKED, (at_head and -order or order) - priority * 2 ^ 44, id)
  end
end

local function put(id, priority, delay, at_head)
  if delay > 0 then
    redis.call('ZADD', DELAYED, now() + delay, id)
  else
    line_up(id, priority, at_head)
  end
end

local function promote()  -- what is due takes its place in the line; the rest of it next time
  local due = redis.call('ZRANGEBYSCORE', DELAYED, '-inf', now(), 'LIMIT', 0, 200)
  if #due == 0 then return end
  redis.call('ZREM', DELAYED, unpack(due))
  for _, id in ipairs(due) do line_up(id, about(id)[1]) end
end

-- Takes up to count ids off the line, and no more payload than most_bytes unless the first alone exceeds it.
local function take(count, most_bytes)
  local ids, data, size = {}, {}, 0
  local function fits(line)  -- how many of these; they are still in the line
    for first = 1, #line, 16 do
      local part = {unpack(line, first, math.min(first + 15, #line))}
      for i, payload in ipairs(redis.call('HMGET', MESSAGES, unpack(part))) do
        size = size + (payload and #payload or 0)
        if size > most_bytes and #ids > 0 then return first + i - 2 end
        if payload then ids[#ids + 1], data[#data + 1] = part[i], payload end
      end
    end
    return #line
  end
  local function ranked(min, max)
    if #ids >= count then return end
    local line = redis.call('ZRANGEBYSCORE', RANKED, min, max, 'LIMIT', 0, count - #ids)
    for i = #line, fits(line) + 1, -1 do line[i] = nil end
    in_parts(line, function(part) redis.call('ZREM', RANKED, unpack(part)) end)
  end
  local others = redis.call('EXISTS', RANKED) == 1
  if others then ranked('-inf', '(0') end
  if #ids < count then
    local line = redis.call('LRANGE', READY, #ids - count, -1)
    for i = 1, math.floor(#line / 2) do line[i], line[#line + 1 - i] = line[#line + 1 - i], line[i] end
    local taken = fits(line)
    if taken > 0 then redis.call('RPOP', READY, taken) end
  end
  if others then ranked('(0', '+inf') end
  return ids, data
end

local function histories(ids)  -- {id, attempts, crashes, redeliveries, error, offers} of those that have any
  local list = {}
  if redis.call('EXISTS', ABOUT) == 0 then return list end
  in_parts(ids, function(part)
    for i, packed in ipairs(redis.call('HMGET', ABOUT, unpack(part))) do
      if packed then
        local facts = cmsgpack.unpack(packed)
        list[#list + 1] = {part[i], facts[2], facts[3], facts[4], facts[5], facts[6] or 0}
      end
    end
  end)
  return list
end

local function forget(ids)
  redis.call('HDEL', MESSAGES, unpack(ids))
  if redis.call('EXISTS', ABOUT) == 1 then redis.call('HDEL', ABOUT, unpack(ids)) end
end

local function ack(lent, ids)  -- answers those that were no longer the owner's
  local late = {}
  in_parts(ids, function(part)
    local ours = {}
    for i, is_ours in ipairs(redis.call('SMISMEMBER', lent, unpack(part))) do
      local list = is_ours == 1 and ours or late
      list[#list + 1] = part[i]
    end
    if #ours > 0 then
      redis.call('SREM', lent, unpack(ours))
      forget(ours)
    end
  end)
  return late
end
