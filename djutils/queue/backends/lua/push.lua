-- alone: the shortest way for the most frequent step, without what is common to the others.
-- Puts messages of priority 0 that are due at once at the end of the line; one that is there already is passed over.
-- KEYS: messages, ready, wake; ARGV: id, payload of each.
local line = {}
for i = 1, #ARGV, 2 do
  if redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1]) == 1 then line[#line + 1] = ARGV[i] end
end
if #line > 0 then redis.call('LPUSH', KEYS[2], unpack(line)) end
redis.call('ZADD', KEYS[3], 0, '')
