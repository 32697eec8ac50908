-- with lanes
-- ARGV: owner, ids... Returns those that may run now; the owner's others go back until their turn, and keep their places, or wait in
-- their lanes again if that is long.
local owner, starting, moment, seen = ARGV[1], {}, now(), {}
begin_by_freeing()

local function put_back(lane)  -- how many have been admitted and are to be lent later
  local from, to = range_of(lane)
  local ids, count = {}, 0
  for i, member in ipairs(redis.call('ZRANGEBYLEX', SLOTS, from, to, 'LIMIT', 0, 1000)) do
    ids[i] = string.match(member, '%z([^%z]*)$')
  end
  in_parts(ids, function(part)
    for _, due in ipairs(redis.call('ZMSCORE', DELAYED, unpack(part))) do
      if due and tonumber(due) > moment then count = count + 1 end
    end
  end)
  return count
end

local function go_back(id, facts, rule, turn)
  local lane = facts[1]
  turn = turn + put_back(lane) * rule[2]
  redis.call('HDEL', LENT, id)
  if turn - moment <= AHEAD then
    redis.call('ZADD', DELAYED, turn, id)
    return
  end
  -- Admission goes on from here: it was ahead of the starts.
  give_up_slot(id, facts)
  redis.call('ZADD', WAITING, 0, waiting_member(id, facts))
  redis.call('HSET', LANES, lane, cmsgpack.pack({rule[1], rule[2], rule[3], rule[5], rule[5]}))
  redis.call('ZADD', OPENS, math.max(rule[5], moment) + (1 - rule[3]) * rule[2] - AHEAD, lane)
end

for _, id in ipairs(rest(2)) do
  if redis.call('HGET', LENT, id) == owner and not seen[id] then
    local facts = laned(id)
    local lane, rule = facts and facts[1], facts and unpacked_from(LANES, facts[1])
    seen[id] = true
    local base = rule and math.max(rule[5], moment)
    local turn = rule and rule[2] > 0 and base + (1 - rule[3]) * rule[2] or 0
    if turn > moment then
      go_back(id, facts, rule, turn)
    else
      if turn > 0 then
        redis.call('HSET', LANES, lane, cmsgpack.pack({rule[1], rule[2], rule[3], rule[4], base + rule[2]}))
      end
      starting[#starting + 1] = id
    end
  end
end
return starting
