-- KEYS[10] what is lent to the owner; ARGV: ids the owner knows of. Answers {ids, payloads, histories}.
local known, ids, data = {}, {}, {}
for _, id in ipairs(ARGV) do known[id] = true end
local lent = redis.call('SMEMBERS', KEYS[10])
table.sort(lent)
for _, id in ipairs(lent) do
  local payload = not known[id] and redis.call('HGET', MESSAGES, id)
  if payload then ids[#ids + 1], data[#data + 1] = id, payload end
end
return {ids, data, histories(ids)}
