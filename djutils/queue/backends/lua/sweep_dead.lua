-- ARGV[1] cursor. Deletes dead letters that have lost their message. Returns {next cursor or 0, 0}.
local page = redis.call('ZSCAN', DEAD, ARGV[1], 'COUNT', 250)
for i = 1, #page[2], 2 do
  if redis.call('HEXISTS', MESSAGES, page[2][i]) == 0 then redis.call('ZREM', DEAD, page[2][i]) end
end
return {page[1], 0}
