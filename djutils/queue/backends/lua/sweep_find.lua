-- with lanes
-- ARGV[1] cursor. Returns {next cursor or 0, ids of messages that are in READY or in no list}.
local page, ids, found = redis.call('HSCAN', MESSAGES, ARGV[1], 'COUNT', 50), {}, {}
for i = 1, #page[2], 2 do ids[#ids + 1] = page[2][i] end
in_parts(ids, function(part)
  local lent = redis.call('HMGET', LENT, unpack(part))
  local ranked = redis.call('ZMSCORE', RANKED, unpack(part))
  local delayed = redis.call('ZMSCORE', DELAYED, unpack(part))
  local dead = redis.call('ZMSCORE', DEAD, unpack(part))
  for i, id in ipairs(part) do
    if not (lent[i] or ranked[i] or delayed[i] or dead[i] or in_its_lane(id)) then found[#found + 1] = id end
  end
end)
return {page[1], found}
