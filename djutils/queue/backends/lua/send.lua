-- KEYS[11] optional: the key of send_once, with its life in seconds as ARGV[1] (else '')
-- ARGV[2...] id, payload, delay in microseconds, priority of each message
-- Returns 1, or 0 when the key was used before. A payload comes after its id, and the key last: if the script
-- fails before that, the message was not sent.
local once, ids, known = KEYS[11], {}, {}
if once and redis.call('EXISTS', once) == 1 then return 0 end
for i = 2, #ARGV, 4 do ids[#ids + 1] = ARGV[i] end
in_parts(ids, function(part)
  for i, payload in ipairs(redis.call('HMGET', MESSAGES, unpack(part))) do known[part[i]] = payload and true end
end)
wake()
for i = 2, #ARGV, 4 do
  local id, priority = ARGV[i], tonumber(ARGV[i + 3])
  if not known[id] then
    if priority ~= 0 then note(id, {priority, 0, 0, 0, '', 0}) end
    put(id, priority, tonumber(ARGV[i + 2]))
    redis.call('HSETNX', MESSAGES, id, ARGV[i + 1])
    known[id] = true
  end
end
if once then redis.call('SET', once, ARGV[2], 'EX', ARGV[1]) end
return 1
