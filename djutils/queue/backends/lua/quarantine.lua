-- ARGV: for each message an id that djutils did not make, its new id, and why. They become dead letters.
local died = now()
begin_by_freeing()
for i = 1, #ARGV, 3 do
  local strange, id = ARGV[i], ARGV[i + 1]
  local payload = redis.call('HGET', MESSAGES, strange)
  if payload then
    redis.call('ZADD', DEAD, redis.call('ZSCORE', DEAD, strange) or died, id)
    note(id, {0, 0, 0, 0, ARGV[i + 2], 0})
    redis.call('HSET', MESSAGES, id, payload)
  end
  forget({strange})
  redis.call('ZREM', DEAD, strange)
  redis.call('HDEL', LENT, strange)
end
