-- alone: the shortest code for the most frequent call, without the common part of the others.
-- Puts messages of priority 0 that are due at once at the end of the queue; ids that exist already are ignored.
-- The payload comes last: if the script fails before that, the message was not sent.
-- KEYS: messages, ready, wake; ARGV: id, payload of each, no id twice.
local ids, line = {}, {}
for i = 1, #ARGV, 2 do ids[#ids + 1] = ARGV[i] end
for i, known in ipairs(redis.call('HMGET', KEYS[1], unpack(ids))) do
  if not known then line[#line + 1] = ids[i] end
end
redis.call('ZADD', KEYS[3], 0, '')
if #line > 0 then redis.call('LPUSH', KEYS[2], unpack(line)) end
if #line == #ids then
  redis.call('HSET', KEYS[1], unpack(ARGV))
else
  for i = 1, #ARGV, 2 do redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1]) end
end
