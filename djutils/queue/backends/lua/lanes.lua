-- Prepended, after the common part, to every script whose first line is "-- with lanes" or ends so. The names of these keys are computed:
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

local function values_of(packed)
  local read, values = pcall(cmsgpack.unpack, packed or '')
  return packed and read and type(values) == 'table' and values or nil
end

local function unpacked_from(key, field) return values_of(redis.call('HMGET', key, field)[1]) end

local function laned(id) return unpacked_from(LANED, id) end

local function all_unpacked_from(key, fields)  -- field -> its values
  local found = {}
  in_parts(fields, function(part)
    for i, packed in ipairs(redis.call('HMGET', key, unpack(part))) do found[part[i]] = values_of(packed) end
  end)
  return found
end

local function add_lane(lanes, lane)  -- a list of names, and the set of them
  if not lanes[lane] then lanes[#lanes + 1], lanes[lane] = lane, true end
end

local function waiting_member(id, facts) return facts[1] .. '\0' .. facts[2] .. '\0' .. id end

local function range_of(lane) return '[' .. lane .. '\0', '(' .. lane .. '\1' end

local function next_lane(key, lane)  -- the one after this in WAITING or SLOTS, from '' the first; nil: there is none
  local member = redis.call('ZRANGEBYLEX', key, lane == '' and '-' or '(' .. lane .. '\1', '+', 'LIMIT', 0, 1)[1]
  return member and string.match(member, '^([^%z]*)%z')
end

local function lane_after(lane)  -- the next one in which a message waits or is admitted; '': there is none
  local waiting, admitted = next_lane(WAITING, lane), next_lane(SLOTS, lane)
  return waiting and (not admitted or waiting < admitted) and waiting or admitted or ''
end

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

-- Removes messages that have ended, and adds their lanes to the list.
local function leave_lanes(ids, lanes)
  local facts, slots, in_lanes = all_unpacked_from(LANED, ids), {}, {}
  for _, id in ipairs(ids) do
    local lane = facts[id] and facts[id][1]
    if lane then
      slots[#slots + 1], in_lanes[#in_lanes + 1] = lane .. '\0' .. id, id
      add_lane(lanes, lane)
    end
  end
  in_parts(slots, function(part) redis.call('ZREM', SLOTS, unpack(part)) end)
  in_parts(in_lanes, function(part) redis.call('HDEL', LANED, unpack(part)) end)
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

-- Chooses as many of a lane as there is room for: adds them to chosen, by which of their lane they are. Returns how many, and
-- whether nothing is left in the lane.
local function choose(lane, rule, moment, chosen)
  local width, pace, burst, admitted = unpack(rule)
  local from, to = range_of(lane)
  local held = redis.call('ZLEXCOUNT', SLOTS, from, to)
  local room, base, let_in = width - held, 0, 0
  if pace > 0 then
    base = math.max(admitted, moment)
    let_in = math.max(0, burst + math.floor((moment + AHEAD - base) / pace))
    room = math.min(room, let_in)
  end
  local members = room > 0 and redis.call('ZRANGEBYLEX', WAITING, from, to, 'LIMIT', 0, room) or {}
  for number, member in ipairs(members) do
    local turn = pace > 0 and base + (number - burst) * pace or 0
    chosen[number] = chosen[number] or {}
    table.insert(chosen[number], {lane, member, string.match(member, '%z([^%z]*)$'), turn})
  end
  if pace > 0 then keep_time(lane, rule, #members, let_in, base, moment) end
  return #members, held + #members == 0 and room > 0
end

-- Puts what was chosen to the end of the line, each lane's first before any lane's second.
local function line_up_chosen(chosen, moment)
  local ids, slots, members, turns = {}, {}, {}, {}
  for _, those in ipairs(chosen) do
    for _, one in ipairs(those) do
      local at = #ids + 1
      ids[at], members[at], turns[at] = one[3], one[2], one[4]
      slots[2 * at - 1], slots[2 * at] = 0, one[1] .. '\0' .. one[3]
    end
  end
  local known = redis.call('EXISTS', ABOUT) == 1 and all_unpacked_from(ABOUT, ids) or {}
  local line = {}
  in_parts(slots, function(part) redis.call('ZADD', SLOTS, unpack(part)) end)
  for i, id in ipairs(ids) do
    if turns[i] > moment then
      redis.call('ZADD', DELAYED, turns[i], id)
    elseif known[id] then
      line_up(id, about(id)[1])
    else
      line[#line + 1] = id
    end
  end
  in_parts(line, function(part) redis.call('LPUSH', READY, unpack(part)) end)
  in_parts(members, function(part) redis.call('ZREM', WAITING, unpack(part)) end)
end

-- Admits to a list of lanes. Returns how many, and the lanes in which there is nothing.
local function admit(lanes)
  local rules, chosen, admitted, empty, moment = all_unpacked_from(LANES, lanes), {}, 0, {}, 0
  for _, rule in pairs(rules) do
    if moment == 0 and rule[2] > 0 then moment = now() end
  end
  for _, lane in ipairs(lanes) do
    if rules[lane] then
      local count, is_empty = choose(lane, rules[lane], moment, chosen)
      admitted = admitted + count
      if is_empty then empty[#empty + 1] = lane end
    end
  end
  if admitted > 0 then line_up_chosen(chosen, moment) end
  return admitted, empty
end

-- Forgets lanes in which there is nothing, once their pace has nothing to remember.
local function forget_lanes(lanes)
  local rules, gone = all_unpacked_from(LANES, lanes), {}
  for _, lane in ipairs(lanes) do
    local rule = rules[lane]
    local until_then = math.max(rule[4], rule[5])
    if rule[2] > 0 and until_then > now() then
      redis.call('ZADD', OPENS, until_then, lane)
    else
      gone[#gone + 1] = lane
    end
  end
  in_parts(gone, function(part)
    redis.call('ZREM', OPENS, unpack(part))
    redis.call('HDEL', LANES, unpack(part))
  end)
end

local function admit_all(lanes)  -- Returns how many were admitted.
  local admitted, empty = admit(lanes)
  forget_lanes(empty)
  if admitted > 0 then wake() end
  return admitted
end

local function in_its_lane(id)  -- whether it waits there
  local facts = laned(id)
  return facts and (redis.call('ZSCORE', WAITING, waiting_member(id, facts)) or redis.call('ZSCORE', LATER, id))
end

local function clean(lane)  -- places of messages that were deleted or rejected by other scripts
  local from, to = range_of(lane)
  for _, member in ipairs(redis.call('ZRANGEBYLEX', SLOTS, from, to, 'LIMIT', 0, 1000)) do
    local id = string.match(member, '%z([^%z]*)$')
    local exists = redis.call('HEXISTS', MESSAGES, id) == 1
    if not exists or redis.call('ZSCORE', DEAD, id) then redis.call('ZREM', SLOTS, member) end
    if not exists then redis.call('HDEL', LANED, id) end
  end
end

-- A payload comes after its id: if the script fails before that, the message was not sent.
local function send_to_lane(id, payload, delay, priority, lane, width, pace, burst, ordered)
  local place = string.format('%03d%016d', 100 - priority, redis.call('INCR', COUNT))
  local facts = {lane, place, ordered, width, pace, burst}
  redis.call('HSET', LANED, id, cmsgpack.pack(facts))
  if priority ~= 0 then note(id, {priority, 0, 0, 0, '', 0}) end
  if delay > 0 then redis.call('ZADD', LATER, now() + delay, id) else wait_in_lane(id, facts) end
  redis.call('HSET', MESSAGES, id, payload)
end

-- Gives lanes the rules {width, pace, burst} of their newest senders, and admits what there is room for. Returns 1; or 0 for a
-- user who may only send, which leaves that to a consumer.
local function rule_and_admit(lanes, rules)
  local known = all_unpacked_from(LANES, lanes)
  for _, lane in ipairs(lanes) do
    local rule, times = rules[lane], known[lane] or {0, 0, 0, 0, 0}
    -- What was admitted and started counts.
    redis.call('HSET', LANES, lane, cmsgpack.pack({rule[1], rule[2], rule[3], times[4], times[5]}))
  end
  local denied = redis.pcall('ZREM', WAITING, '')
  if type(denied) == 'table' and denied.err then return 0 end
  if admit(lanes) > 0 then wake() end
  return 1
end
