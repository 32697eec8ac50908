-- with lanes
-- ARGV: the lane to continue after ('' to begin), how many lanes to look at. Admits what is due, what a pace lets in again, and
-- what should have been admitted. Returns {the lane to continue after or '', how many were admitted}.
if redis.call('EXISTS', WAITING, LATER, OPENS, SLOTS) == 0 then return {'', 0} end
begin_by_freeing()
local lanes, cursor, left = {}, ARGV[1], tonumber(ARGV[2])

for _, id in ipairs(redis.call('ZRANGEBYSCORE', LATER, '-inf', now(), 'LIMIT', 0, 500)) do
  local facts = redis.call('HEXISTS', MESSAGES, id) == 1 and laned(id)
  if facts then
    wait_in_lane(id, facts)
    add_lane(lanes, facts[1])
  end
  redis.call('ZREM', LATER, id)
end
for _, lane in ipairs(redis.call('ZRANGEBYSCORE', OPENS, '-inf', now(), 'LIMIT', 0, 500)) do
  add_lane(lanes, lane)
  redis.call('ZREM', OPENS, lane)
end
local waiting, admitted = next_lane(WAITING, cursor), next_lane(SLOTS, cursor)
while left > 0 do
  if not waiting and not admitted then
    cursor = ''
    break
  end
  cursor = waiting and (not admitted or waiting < admitted) and waiting or admitted
  add_lane(lanes, cursor)
  if admitted == cursor then
    clean(cursor)
    admitted = next_lane(SLOTS, cursor)
  end
  if waiting == cursor then waiting = next_lane(WAITING, cursor) end
  left = left - 1
end
return {cursor, admit_all(lanes)}
