-- with lanes
-- ARGV: owner, ids... Returns those that may run now; the owner's others go back until their turn, and keep their places.
local owner, starting, moment, ahead, seen = ARGV[1], {}, now(), {}, {}
begin_by_freeing()
for _, id in ipairs(rest(2)) do
  if redis.call('HGET', LENT, id) == owner and not seen[id] then
    local facts = laned(id)
    local lane, rule = facts and facts[1], facts and unpacked_from(LANES, facts[1])
    seen[id] = true
    local base = rule and math.max(rule[5], moment)
    local turn = rule and rule[2] > 0 and base + ((ahead[lane] or 0) + 1 - rule[3]) * rule[2] or 0
    if turn <= moment then
      if turn > 0 then
        redis.call('HSET', LANES, lane, cmsgpack.pack({rule[1], rule[2], rule[3], rule[4], base + rule[2]}))
      end
      starting[#starting + 1] = id
    else
      ahead[lane] = (ahead[lane] or 0) + 1
      redis.call('ZADD', DELAYED, turn, id)
      redis.call('HDEL', LENT, id)
    end
  end
end
return starting
