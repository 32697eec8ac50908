-- KEYS[10] what is lent to the owner; ARGV: id, delay in microseconds, error of each.
-- Answers those that were the owner's.
local ours = {}
for i = 1, #ARGV, 3 do
  local id = ARGV[i]
  if redis.call('SREM', KEYS[10], id) == 1 then
    local facts = about(id)
    facts[2], facts[5] = facts[2] + 1, ARGV[i + 2]
    note(id, facts)
    put(id, facts[1], tonumber(ARGV[i + 1]))
    ours[#ours + 1] = id
  end
end
if #ours > 0 then wake() end
return ours
