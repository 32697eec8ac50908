-- KEYS[10] what is lent to the owner; ARGV: id, delay in microseconds, attempts to charge, error of each.
-- What is charged none was never started: that counts as an offer.
-- Answers those that were the owner's.
local ours = {}
for i = 1, #ARGV, 4 do
  local id = ARGV[i]
  if redis.call('SREM', KEYS[10], id) == 1 then
    local facts = about(id)
    local counter = tonumber(ARGV[i + 2]) > 0 and 2 or 6
    facts[counter], facts[5] = facts[counter] + 1, ARGV[i + 3]
    note(id, facts)
    put(id, facts[1], tonumber(ARGV[i + 1]))
    ours[#ours + 1] = id
  end
end
if #ours > 0 then wake() end
return ours
