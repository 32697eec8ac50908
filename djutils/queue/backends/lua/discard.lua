-- with lanes
-- ARGV: the moment before which they must have died, or ''; ids... Returns how many are gone.
-- The message is removed first: a half discarded message is never run.
local count, before, ids = 0, ARGV[1], rest(2)
for i, died in ipairs(redis.call('ZMSCORE', DEAD, unpack(ids))) do
  local id = ids[i]
  if died and (before == '' or tonumber(died) < tonumber(before)) then
    count = count + redis.call('HEXISTS', MESSAGES, id)
    forget({id})
    redis.call('HDEL', LANED, id)
    redis.call('ZREM', DEAD, id)
  end
end
return count
