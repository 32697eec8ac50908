-- ARGV: cursor, a pattern. Returns {next cursor or 0, ids of messages that match}; no payload leaves Redis.
local page, ids = redis.call('HSCAN', MESSAGES, ARGV[1], 'MATCH', ARGV[2], 'COUNT', 500), {}
for i = 1, #page[2], 2 do ids[#ids + 1] = page[2][i] end
return {page[1], ids}
