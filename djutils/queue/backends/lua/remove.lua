-- with lanes
-- ARGV: ids... Removes those that wait, and returns them.
begin_by_freeing()
local removed, lanes = {}, {}
for _, id in ipairs(rest(1)) do
  local waits = redis.call('HEXISTS', MESSAGES, id) == 1 and redis.call('HEXISTS', LENT, id) == 0
  if waits and not redis.call('ZSCORE', DEAD, id) then
    redis.call('ZREM', RANKED, id)
    redis.call('ZREM', DELAYED, id)
    redis.call('LREM', READY, 0, id)
    local facts = laned(id)
    if facts then
      leave_lane(id, facts)
      add_lane(lanes, facts[1])
    end
    forget({id})
    removed[#removed + 1] = id
  end
end
admit_all(lanes)
tell_ended(removed)
return removed
