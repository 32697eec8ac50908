-- ARGV: ids... Removes those that wait, and returns them.
begin_by_freeing()
local removed = {}
for _, id in ipairs(rest(1)) do
  local waits = redis.call('HEXISTS', MESSAGES, id) == 1 and redis.call('HEXISTS', LENT, id) == 0
  if waits and not redis.call('ZSCORE', DEAD, id) then
    redis.call('ZREM', RANKED, id)
    redis.call('ZREM', DELAYED, id)
    redis.call('LREM', READY, 0, id)
    forget({id})
    removed[#removed + 1] = id
  end
end
tell_ended(removed)
return removed
