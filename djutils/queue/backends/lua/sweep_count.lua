-- Returns how many messages there are beyond those that some list names; below 0, names beyond the messages.
-- Histories whose messages are gone are forgotten once no message is left.
if redis.call('EXISTS', MESSAGES) == 0 then redis.call('UNLINK', ABOUT) end
local named = redis.call('LLEN', READY) + count_lent()
for _, key in ipairs({RANKED, DELAYED, DEAD}) do named = named + redis.call('ZCARD', key) end
return redis.call('HLEN', MESSAGES) - named
