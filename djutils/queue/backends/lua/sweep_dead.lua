-- ARGV[1] where to go on. Forgets dead letters that have lost their message. Returns {where to go on or 0, 0}.
local page = redis.call('ZSCAN', DEAD, ARGV[1], 'COUNT', 250)
for i = 1, #page[2], 2 do
  if redis.call('HEXISTS', MESSAGES, page[2][i]) == 0 then redis.call('ZREM', DEAD, page[2][i]) end
end
return {page[1], 0}
