-- alone: it knows nothing of a queue.
-- KEYS[1]: a counter of a store; ARGV: what to add, and the life of a new counter in milliseconds.
-- Returns the count as text: a number of Lua has only 53 bits.
local added = redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2])
if not added then redis.call('INCRBY', KEYS[1], ARGV[1]) end
return redis.call('MGET', KEYS[1])[1]
