-- alone: the shortest code for the most frequent call, without the common part of the others.
-- Puts messages of priority 0 that are due at once at the end of the queue; ids that exist already are ignored.
-- The payload comes last: if the script fails before that, the message was not sent.
-- KEYS: messages, ready, wake; ARGV: id, payload of each, no id twice.
local call = redis.call
call('ZADD', KEYS[3], 0, '')
if #ARGV == 2 then
  if not call('HMGET', KEYS[1], ARGV[1])[1] then
    call('LPUSH', KEYS[2], ARGV[1])
    call('HSET', KEYS[1], ARGV[1], ARGV[2])
  end
  return
end
local ids, line = {}, {}
for i = 1, #ARGV, 2 do ids[#ids + 1] = ARGV[i] end
for i, known in ipairs(call('HMGET', KEYS[1], unpack(ids))) do
  if not known then line[#line + 1] = ids[i] end
end
if #line > 0 then call('LPUSH', KEYS[2], unpack(line)) end
if #line == #ids then
  call('HSET', KEYS[1], unpack(ARGV))
else
  for i = 1, #ARGV, 2 do call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1]) end
end
