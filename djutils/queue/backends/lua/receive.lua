-- with taking
-- ARGV: owner, how many, most bytes, how many were lent since one was chosen by age, ids that are done...
-- Returns {late, ids, payloads, histories, microseconds to the next due one or -1}, or nil: unknown owner.
local owner = ARGV[1]
if redis.call('HEXISTS', OWNERS, owner) == 0 then return false end
begin_by_freeing()
local late = ack(owner, rest(5))
local pause = promote()
local ids, data, leave = take(tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]))
local known = histories(ids)
ids, data = lend(owner, ids, data)
leave()
hand_on()
return {late, ids, data, known, pause}
