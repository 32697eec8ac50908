-- with lanes
-- ARGV: ids, each of which is put in front of the previous one.
-- Returns how many were dead letters and are back at the head of the queue, with their counters reset.
local count, lanes = 0, {}
redis.call('ZREM', DEAD, '')
for _, id in ipairs(ARGV) do
  if redis.call('ZSCORE', DEAD, id) then
    local priority, is_there = about(id)[1], redis.call('HEXISTS', MESSAGES, id)
    if count == 0 then wake() end
    local facts = laned(id)
    if is_there == 1 and facts then
      give_up_slot(id, facts)
      wait_in_lane(id, facts)
      add_lane(lanes, facts[1])
    elseif is_there == 1 then
      line_up(id, priority, true)
    end
    redis.call('ZREM', DEAD, id)
    if is_there == 1 and priority ~= 0 then note(id, {priority, 0, 0, 0, '', 0}) else redis.call('HDEL', ABOUT, id) end
    count = count + is_there
  end
end
admit_all(lanes)
return count
