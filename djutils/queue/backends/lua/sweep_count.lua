-- Returns how many messages there are beyond those that some list names; below 0, names beyond the messages.
local named = redis.call('LLEN', READY) + count_lent()
for _, key in ipairs({RANKED, DELAYED, DEAD}) do named = named + redis.call('ZCARD', key) end
return redis.call('HLEN', MESSAGES) - named
