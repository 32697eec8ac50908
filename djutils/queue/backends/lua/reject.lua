-- KEYS[10] what is lent to the owner; ARGV: id, attempts to charge, error of each.
-- Answers those that were the owner's.
local ours, died = {}, now()
for i = 1, #ARGV, 3 do
  local id = ARGV[i]
  if redis.call('SREM', KEYS[10], id) == 1 then
    local facts = about(id)
    facts[2], facts[5] = facts[2] + ARGV[i + 1], ARGV[i + 2]
    note(id, facts)
    redis.call('ZADD', DEAD, died + #ours, id)
    ours[#ours + 1] = id
  end
end
return ours
