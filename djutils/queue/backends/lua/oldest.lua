-- Returns the ids at the head of each list: of priority 0, of every other priority, and of due messages.
local ids, from = {}, '-inf'
for i, id in ipairs(redis.call('LRANGE', READY, -16, -1)) do ids[i] = id end  -- some may be copies
for _ = 1, 250 do
  local head = redis.call('ZRANGEBYSCORE', RANKED, from, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  if not head[1] then break end
  ids[#ids + 1] = head[1]
  local priority = math.floor(0.5 - head[2] / 2 ^ 44)
  from = string.format('%.0f', (0.5 - priority) * 2 ^ 44)
end
local due = redis.call('ZRANGEBYSCORE', DELAYED, '-inf', now(), 'LIMIT', 0, 1)
ids[#ids + 1] = due[1]
return ids
