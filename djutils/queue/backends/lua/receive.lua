-- KEYS[10] what is lent to the owner
-- ARGV: owner, how many, most bytes, ids that are done...
-- Answers {late, ids, payloads, histories, microseconds to the next due one or -1}, or nil: unknown owner.
local lent = KEYS[10]
if redis.call('HEXISTS', OWNERS, ARGV[1]) == 0 then return false end
begin_by_freeing()
local late = ack(lent, rest(4))

promote()
local ids, data = take(tonumber(ARGV[2]), tonumber(ARGV[3]))
in_parts(ids, function(part) redis.call('SADD', lent, unpack(part)) end)

-- One sleeper wakes for one marker, and hands the marker on while work remains.
if redis.call('EXISTS', READY, RANKED) > 0 then wake() else redis.call('DEL', WAKE) end
local pause, due = -1, redis.call('ZRANGE', DELAYED, 0, 0, 'WITHSCORES')
if due[2] then pause = math.max(due[2] - now(), 0) end
return {late, ids, data, histories(ids), pause}
