-- Prepended to every script. KEYS of one queue, all in one hash slot; some take an eleventh.
--   MESSAGES  hash  id -> payload, whatever its state           READY    list  ids of priority 0, head at the right
--   RANKED    zset  ids of every other priority, in order       DELAYED  zset  id -> due, in microseconds
--   ABOUT     hash  id -> what an ordinary message lacks        DEAD     zset  id -> died, in microseconds
--   OWNERS    hash  owner -> beats                              LENT     hash  id -> owner (and see unpacked)
--   WAKE      zset  one member while there is work              COUNT    a number that only grows
-- Ids sort by time: messages that come back are put in order by their ids.
--
-- Redis rolls nothing back when a script fails. So a script reads first, puts next and removes last, and before it
-- puts anything it tries the commands it will remove with. A failure in between leaves at worst a copy of an id,
-- which is harmless: take skips ids whose message is gone or lent.
local MESSAGES, READY, RANKED, DELAYED, ABOUT, DEAD, OWNERS, WAKE, COUNT, LENT = unpack(KEYS)
local FARTHEST = 1000  -- how many copies a script skips before it leaves the rest to the next one

local function now()  -- in microseconds, by the server's clock
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- A script that first frees memory may continue when the server's memory is full: so the queue can be drained.
-- And a user without permission for HDEL gets the error before anything is put.
local function begin_by_freeing() redis.call('HDEL', OWNERS, '') end

local function in_parts(list, act)  -- a call takes only some thousand arguments
  if #list > 0 and #list <= 500 then return act(list) end
  for first = 1, #list, 500 do
    act({unpack(list, first, math.min(first + 499, #list))})
  end
end

local function rest(first)  -- of ARGV
  if #ARGV < 5000 then return {unpack(ARGV, first)} end
  local list = {}
  for i = first, #ARGV do list[#list + 1] = ARGV[i] end
  return list
end

local function oldest_last(ids)  -- what is put to the head one by one stands there in its old order
  table.sort(ids, function(a, b) return a > b end)
  return ids
end

local function is_whole(number)
  return type(number) == 'number' and number % 1 == 0 and math.abs(number) < 2 ^ 53
end

-- {priority, attempts, crashes, redeliveries, error, offers}. One that another program has damaged counts from 0
-- and says so, because a script that failed on it would block the messages beside it.
local function facts_of(packed)
  local read, facts = pcall(cmsgpack.unpack, packed)
  if read and type(facts) == 'table' and type(facts[5]) == 'string' then
    facts[6] = facts[6] or 0  -- an older release counted no offers
    local sound = is_whole(facts[6])
    for i = 1, 4 do sound = sound and is_whole(facts[i]) end
    if sound then return facts end
  end
  return {0, 0, 0, 0, 'Its history in Redis could not be read; its runs are counted from 0 again.', 0}
end

local function about(id)
  local packed = redis.call('HGET', ABOUT, id)
  return packed and facts_of(packed) or {0, 0, 0, 0, '', 0}
end

local function note(id, facts)
  redis.call('HSET', ABOUT, id, cmsgpack.pack(facts))
end

-- A counter that another program has damaged is returned as -1, until its owner beats again.
local function is_beats(text) return #text < 16 and text:find('^%d+$') ~= nil end

local function beats_of(owner)
  local beats = redis.call('HGET', OWNERS, owner)
  return beats and not is_beats(beats) and '-1' or beats
end

local function wake() redis.call('ZADD', WAKE, 0, '') end

-- One marker wakes one waiting consumer, which puts the marker back while work remains.
local function hand_on()
  if redis.call('EXISTS', READY, RANKED) > 0 then wake() else redis.call('DEL', WAKE) end
end

-- A score orders by priority first (2^44 apart), then by COUNT; ids at the head get negative counts.
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

local function until_due()  -- microseconds until the next delayed one is due, or -1: there is none
  local first = redis.call('ZRANGE', DELAYED, 0, 0, 'WITHSCORES')
  return first[2] and math.max(first[2] - now(), 0) or -1
end

-- Puts due messages into READY or RANKED, a limited number at a time. Returns what until_due returns then.
local function promote()
  local pause = until_due()
  if pause ~= 0 then return pause end
  local due = redis.call('ZRANGEBYSCORE', DELAYED, '-inf', now(), 'LIMIT', 0, 200)
  redis.call('ZREM', DELAYED, '')
  for _, id in ipairs(due) do line_up(id, about(id)[1]) end
  redis.call('ZREM', DELAYED, unpack(due))
  return until_due()
end

local function histories(ids)  -- {id, attempts, crashes, redeliveries, error, offers} of those that have any
  local list = {}
  if redis.call('EXISTS', ABOUT) == 0 then return list end
  in_parts(ids, function(part)
    for i, packed in ipairs(redis.call('HMGET', ABOUT, unpack(part))) do
      if packed then
        local facts = facts_of(packed)
        facts[1] = part[i]
        list[#list + 1] = facts
      end
    end
  end)
  return list
end

local function forget(ids)  -- the message last: read has no other copy of it
  if redis.call('EXISTS', ABOUT) == 1 then redis.call('HDEL', ABOUT, unpack(ids)) end
  redis.call('HDEL', MESSAGES, unpack(ids))
end

local function filtered(ids, data, is_wanted)
  local kept, their_data = {}, {}
  for i, id in ipairs(ids) do
    if is_wanted(id) then kept[#kept + 1], their_data[#their_data + 1] = id, data[i] end
  end
  return kept, their_data
end

-- Lends these except copies: ids that are lent already, and ids that are here twice. Returns what it lent.
local function lend(owner, ids, data)
  local any_lent, added, seen = false, 0, {}
  in_parts(ids, function(part)
    local holders = redis.call('HMGET', LENT, unpack(part))
    for i = 1, #part do any_lent = any_lent or holders[i] end
  end)
  if any_lent then
    ids, data = filtered(ids, data, function(id) return redis.call('HEXISTS', LENT, id) == 0 end)
  end
  in_parts(ids, function(part)
    local fields = {}
    for i = 1, #part do fields[2 * i - 1], fields[2 * i] = part[i], owner end
    added = added + redis.call('HSET', LENT, unpack(fields))
  end)
  if added == #ids then return ids, data end
  return filtered(ids, data, function(id)
    local first = not seen[id]
    seen[id] = true
    return first
  end)
end

-- A field of LENT while owners are enrolled, long enough that Redis does not pack the hash: looking up one field of
-- a packed hash reads all of them.
local function unpacked() return string.rep('-', 512) end

local function unpack_lent()
  if redis.call('EXISTS', OWNERS) == 1 then
    redis.call('HSETNX', LENT, unpacked(), '')
  elseif redis.call('EXISTS', LENT) == 1 then
    redis.call('HDEL', LENT, unpacked())
  end
end

local function count_lent()  -- by what producers may call
  return redis.call('HLEN', LENT) - (redis.call('HMGET', LENT, unpacked())[1] and 1 or 0)
end

local function divided(owner, ids)  -- what is lent to the owner, and what is not
  local ours, others, count = {}, {}, 0
  in_parts(ids, function(part)
    local holders = redis.call('HMGET', LENT, unpack(part))
    for i = 1, #part do
      if holders[i] == owner then
        count = count + 1
        ours[count] = part[i]
      else
        others[#others + 1] = part[i]
      end
    end
  end)
  return ours, others
end

local function without(fields, names)  -- names and values, by turns
  local rest_of, excluded = {}, {}
  for _, name in ipairs(names) do excluded[name] = true end
  for i = 1, #fields, 2 do
    if not excluded[fields[i]] then
      rest_of[#rest_of + 1] = fields[i]
      rest_of[#rest_of + 1] = fields[i + 1]
    end
  end
  return rest_of
end

local function lent_to(owner)
  local ids, all = {}, redis.call('HGETALL', LENT)
  for i = 1, #all, 2 do
    if all[i + 1] == owner then ids[#ids + 1] = all[i] end
  end
  return ids
end

-- Results are kept in hashes: the life of the record in milliseconds and the first digits of its name, which are a
-- moment, make the key. The names of the lives, which are few, expire with the longest of them.
local function beside(name) return string.sub(MESSAGES, 1, -1 - #'messages') .. name end

local function results_key(life, name) return beside('results:' .. life .. ':' .. string.sub(name, 1, 10)) end

local function lives_of_results() return redis.call('HKEYS', beside('lives')) end

local function result(name, lives)
  local record = false
  for _, life in ipairs(lives) do record = record or redis.call('HGET', results_key(life, name), name) end
  return record
end

local function keep_results(life, fields)  -- names and records, by turns: not more than a call takes
  local hashes = {}
  for i = 1, #fields, 2 do
    local digits = string.sub(fields[i], 1, 10)
    local hash = hashes[digits]
    if not hash then
      hash = {size = 0}
      hashes[digits] = hash
    end
    hash[hash.size + 1], hash[hash.size + 2] = fields[i], fields[i + 1]
    hash.size = hash.size + 2
  end
  local lives = lives_of_results()
  local longest = tonumber(life)
  for _, other in ipairs(lives) do longest = math.max(longest, tonumber(other)) end
  redis.call('HSETNX', beside('lives'), life, '')
  redis.call('PEXPIRE', beside('lives'), string.format('%d', longest))
  for digits, hash in pairs(hashes) do
    local key = results_key(life, digits)
    redis.call('HSET', key, unpack(hash))
    redis.call('PEXPIRE', key, life)
    for _, other in ipairs(lives) do
      -- What was kept of an earlier run of the same message, when its life was another.
      for i = 1, other == life and 0 or hash.size, 2 do redis.call('HDEL', results_key(other, digits), hash[i]) end
    end
  end
end

-- Tells callers that wait for the ends of these, if any may wait. Nothing depends on it: a user may lack the permission.
local function tell_ended(ids)
  if redis.call('EXISTS', beside('store:awaited')) == 0 then return end
  for _, id in ipairs(ids) do redis.pcall('PUBLISH', beside('ended:' .. id), '') end
end

local function done(ours)
  in_parts(ours, function(part)
    forget(part)
    redis.call('HDEL', LENT, unpack(part))
  end)
end

local function ack(owner, ids)  -- returns those that were no longer the owner's
  local ours, late = divided(owner, ids)
  done(ours)
  return late
end

local function redelivered(facts) facts[4] = facts[4] + 1 end

-- Puts a message that its owner did not settle back at the head of the queue, unless it was settled nevertheless.
-- change is what to add to its history; nil adds nothing. Returns whether it waits again.
local function give_back(id, change)
  local waits = redis.call('HEXISTS', MESSAGES, id) == 1 and not redis.call('ZSCORE', DEAD, id)
  if waits then
    local facts = about(id)
    line_up(id, facts[1], true)
    if change then
      change(facts)
      note(id, facts)
    end
  end
  redis.call('HDEL', LENT, id)
  return waits
end
