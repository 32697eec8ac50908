-- KEYS[10...] what is lent to each owner; ARGV: these owners.
-- Answers 1, or 0 when another owner has enrolled: its key must be named, too.
local named = {}
for _, owner in ipairs(ARGV) do named[owner] = true end
for _, owner in ipairs(redis.call('HKEYS', OWNERS)) do
  if not named[owner] then return 0 end
end
redis.call('UNLINK', MESSAGES, READY, RANKED, DELAYED, ABOUT, DEAD, WAKE, COUNT, unpack(KEYS, 10))
return 1
