-- with lanes
-- ARGV: ids. Gives back those that are messages and in no list. Returns how many.
begin_by_freeing()
local back = 0
for _, id in ipairs(oldest_last(rest(1))) do
  local named = redis.call('HEXISTS', LENT, id) == 1 or redis.call('ZSCORE', RANKED, id)
    or redis.call('ZSCORE', DELAYED, id) or redis.call('LPOS', READY, id) or in_its_lane(id)
  if not named and give_back(id, redelivered) then back = back + 1 end
end
if back > 0 then wake() end
return back
