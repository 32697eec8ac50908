-- with lanes
-- Returns how many more messages there are than ids in lists; below 0, there are more ids than messages.
-- Histories of messages that are gone are deleted once no message is left.
if redis.call('EXISTS', MESSAGES) == 0 then redis.call('UNLINK', ABOUT) end
local named = redis.call('LLEN', READY) + count_lent()
for _, key in ipairs({RANKED, DELAYED, DEAD, WAITING, LATER}) do named = named + redis.call('ZCARD', key) end
return redis.call('HLEN', MESSAGES) - named
