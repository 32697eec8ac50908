-- KEYS[11] the hash of send_unique; ARGV[1] cursor. Deletes keys that nothing holds. Returns {next cursor or 0, 0}.
local UNIQUE = KEYS[11]
local page = redis.call('HSCAN', UNIQUE, ARGV[1], 'COUNT', 250)
for i = 1, #page[2], 2 do
  local holder, ends = page[2][i + 1]:match('^(%S*) ?(%d*)$')
  local holds = holder and redis.call('HEXISTS', MESSAGES, holder) == 1
  if tonumber(ends) then holds = holds or tonumber(ends) > now() end
  if not holds then redis.call('HDEL', UNIQUE, page[2][i]) end
end
return {page[1], 0}
