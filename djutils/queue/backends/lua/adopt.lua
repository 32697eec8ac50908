-- ARGV: owner, most bytes, ids the owner knows of... Returns {ids, payloads, histories}: at least one, if there are any.
local most_bytes, known, ids, data, size = tonumber(ARGV[2]), {}, {}, {}, 0
for _, id in ipairs(rest(3)) do known[id] = true end
local lent = lent_to(ARGV[1])
table.sort(lent)
for _, id in ipairs(lent) do
  local payload = not known[id] and redis.call('HGET', MESSAGES, id)
  size = size + (payload and #payload or 0)
  if size > most_bytes and #ids > 0 then break end
  if payload then ids[#ids + 1], data[#data + 1] = id, payload end
end
return {ids, data, histories(ids)}
