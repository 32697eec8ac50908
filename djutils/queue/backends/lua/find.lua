-- ARGV: where to go on, a pattern. Returns {where to go on or 0, ids of messages that fit}; no payload leaves Redis.
local page, ids = redis.call('HSCAN', MESSAGES, ARGV[1], 'MATCH', ARGV[2], 'COUNT', 500), {}
for i = 1, #page[2], 2 do ids[#ids + 1] = page[2][i] end
return {page[1], ids}
