-- with lanes
-- Deletes every message but those of lanes that are lent, whose places are taken until they end; the owners stay enrolled.
local keep, taken, free = {}, {}, {}
for _, id in ipairs(redis.call('EXISTS', LANED) == 1 and redis.call('HKEYS', LENT) or {}) do
  local facts = laned(id)
  if facts then
    taken[facts[1]] = true
    keep[#keep + 1] = {id, facts, redis.call('HGET', LENT, id), redis.call('HGET', MESSAGES, id), redis.call('HGET', ABOUT, id)}
  end
end
redis.call('UNLINK', MESSAGES, READY, RANKED, DELAYED, ABOUT, DEAD, WAKE, COUNT, LENT)
redis.call('UNLINK', WAITING, SLOTS, LATER, LANED)
unpack_lent()
for _, lane in ipairs(redis.call('HKEYS', LANES)) do
  if not taken[lane] then free[#free + 1] = lane end
end
forget_lanes(free)
for _, kept in ipairs(keep) do
  local id, facts, owner, payload, packed = kept[1], kept[2], kept[3], kept[4], kept[5]
  redis.call('HSET', LANED, id, cmsgpack.pack(facts))
  redis.call('ZADD', SLOTS, 0, facts[1] .. '\0' .. id)
  if packed then redis.call('HSET', ABOUT, id, packed) end
  redis.call('HSET', LENT, id, owner)
  if payload then redis.call('HSET', MESSAGES, id, payload) end
end
