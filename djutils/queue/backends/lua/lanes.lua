-- Prepended, after the common part, to every script that begins with "-- with lanes". The names of these keys are computed:
-- they have the hash slot of the queue. Scores of the first two are 0, so the order is that of the bytes.
--   WAITING  zset  lane \0 place \0 id: what waits            SLOTS  zset  lane \0 id: what is admitted and has not ended
--   LANES    hash  lane -> {width, pace, burst, admitted, started}, times in microseconds
--   OPENS    zset  lane -> when to look at it again           LATER  zset  id -> when it begins to wait
--   LANED    hash  id -> {lane, place, ordered, width, pace, burst}
-- No name of a lane has the bytes 0 and 1.
local PREFIX = string.sub(MESSAGES, 1, -1 - #'messages') .. 'lanes:'
local WAITING, SLOTS, LANES = PREFIX .. 'waiting', PREFIX .. 'slots', PREFIX .. 'rules'
local OPENS, LATER, LANED = PREFIX .. 'opens', PREFIX .. 'later', PREFIX .. 'messages'
local AHEAD = 1000000  -- how long before its turn a message of a lane with a pace is admitted

local function unpacked_from(key, field)
  local packed = redis.call('HMGET', key, field)[1]
  local read, values = pcall(cmsgpack.unpack, packed or '')
  return packed and read and type(values) == 'table' and values or nil
end

local function laned(id) return unpacked_from(LANED, id) end

local function waiting_member(id, facts) return facts[1] .. '\0' .. facts[2] .. '\0' .. id end

local function range_of(lane) return '[' .. lane .. '\0', '(' .. lane .. '\1' end

local function wait_in_lane(id, facts)  -- urgent ones first, then in the order in which they were sent
  redis.call('HSETNX', LANES, facts[1], cmsgpack.pack({facts[4], facts[5], facts[6], 0, 0}))
  redis.call('ZADD', WAITING, 0, waiting_member(id, facts))
end

local function give_up_slot(id, facts) redis.call('ZREM', SLOTS, facts[1] .. '\0' .. id) end

local function leave_lane(id, facts)
  redis.call('ZREM', WAITING, waiting_member(id, facts))
  redis.call('ZREM', LATER, id)
  give_up_slot(id, facts)
  redis.call('HDEL', LANED, id)
end

local function keep_time(lane, rule, count, let_in, base, moment)
  local width, pace, burst, admitted, started = unpack(rule)
  if count > 0 then
    admitted = base + count * pace
    redis.call('HSET', LANES, lane, cmsgpack.pack({width, pace, burst, admitted, started}))
  end
  if count >= let_in then
    redis.call('ZADD', OPENS, math.max(admitted, moment) + (1 - burst) * pace - AHEAD, lane)
  else
    redis.call('ZREM', OPENS, lane)
  end
end

-- Admits as many as there is room for, to the end of the line. Returns how many.
local function admit(lane)
  local rule = unpacked_from(LANES, lane)
  if not rule then return 0 end
  local width, pace, burst, admitted = unpack(rule)
  local from, to = range_of(lane)
  local room, base, moment, let_in = width - redis.call('ZLEXCOUNT', SLOTS, from, to), 0, 0, 0
  if pace > 0 then
    moment = now()
    base = math.max(admitted, moment)
    let_in = math.max(0, burst + math.floor((moment + AHEAD - base) / pace))
    room = math.min(room, let_in)
  end
  local members = room > 0 and redis.call('ZRANGEBYLEX', WAITING, from, to, 'LIMIT', 0, room) or {}
  for number, member in ipairs(members) do
    local id = string.match(member, '%z([^%z]*)$')
    local turn = pace > 0 and base + (number - burst) * pace or 0
    redis.call('ZADD', SLOTS, 0, lane .. '\0' .. id)
    if turn > moment then redis.call('ZADD', DELAYED, turn, id) else line_up(id, about(id)[1]) end
    redis.call('ZREM', WAITING, member)
  end
  if pace > 0 then keep_time(lane, rule, #members, let_in, base, moment) end
  return #members
end

-- Forgets a lane in which there is nothing, once its pace has nothing to remember.
local function forget_if_empty(lane)
  local from, to = range_of(lane)
  local rule = unpacked_from(LANES, lane)
  if not rule or redis.call('ZLEXCOUNT', SLOTS, from, to) + redis.call('ZLEXCOUNT', WAITING, from, to) > 0 then return end
  local until_then = math.max(rule[4], rule[5])
  if rule[2] > 0 and until_then > now() then
    redis.call('ZADD', OPENS, until_then, lane)
  else
    redis.call('HDEL', LANES, lane)
    redis.call('ZREM', OPENS, lane)
  end
end

local function admit_all(lanes)  -- a set of names. Returns how many were admitted.
  local admitted = 0
  for lane in pairs(lanes) do
    admitted = admitted + admit(lane)
    forget_if_empty(lane)
  end
  if admitted > 0 then wake() end
  return admitted
end

local function in_its_lane(id)  -- whether it waits there
  local facts = laned(id)
  return facts and (redis.call('ZSCORE', WAITING, waiting_member(id, facts)) or redis.call('ZSCORE', LATER, id))
end
