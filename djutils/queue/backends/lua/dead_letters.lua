-- ARGV: how many, ids (none: all of them)...
-- Answers {id, payload, died, attempts, crashes, redeliveries, error} of each, the last that died first.
local letters, wanted, count = {}, rest(2), tonumber(ARGV[1])
if #wanted == 0 then wanted = redis.call('ZREVRANGE', DEAD, 0, count - 1) end
local dead = {}
for _, id in ipairs(wanted) do
  local died = redis.call('ZSCORE', DEAD, id)
  if died then dead[#dead + 1] = {id, tonumber(died)} end
end
table.sort(dead, function(a, b) return a[2] > b[2] end)
for i = 1, math.min(count, #dead) do
  local id, died = unpack(dead[i])
  local facts = about(id)
  letters[i] = {id, redis.call('HGET', MESSAGES, id), died, facts[2], facts[3], facts[4], facts[5]}
end
return letters
