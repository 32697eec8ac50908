-- KEYS[10] optional: the key of send_once, with its life in seconds as ARGV[1] (else '')
-- ARGV[2...] id, payload, delay in microseconds, priority of each message
-- Answers 1, or 0 when the key was used before.
if KEYS[10] and not redis.call('SET', KEYS[10], ARGV[2], 'NX', 'EX', ARGV[1]) then return 0 end
for i = 2, #ARGV, 4 do
  local id, priority = ARGV[i], tonumber(ARGV[i + 3])
  if redis.call('HSETNX', MESSAGES, id, ARGV[i + 1]) == 1 then
    if priority ~= 0 then note(id, {priority, 0, 0, 0, ''}) end
    put(id, priority, tonumber(ARGV[i + 2]))
  end
end
wake()
return 1
