-- ARGV: owner, then id, delay in microseconds, attempts to charge, error of each.
-- A message that is charged no attempt was never started: that counts as an offer. With -1 nothing is counted.
-- Returns those that were the owner's.
local ours = {}
begin_by_freeing()
for i = 2, #ARGV, 4 do
  local id = ARGV[i]
  if redis.call('HGET', LENT, id) == ARGV[1] then
    if #ours == 0 then wake() end
    local facts = about(id)
    local charge = tonumber(ARGV[i + 2])
    local counter = charge > 0 and 2 or 6
    if charge >= 0 then facts[counter] = facts[counter] + 1 end
    facts[5] = ARGV[i + 3]
    put(id, facts[1], tonumber(ARGV[i + 1]))
    note(id, facts)
    redis.call('HDEL', LENT, id)
    ours[#ours + 1] = id
  end
end
return ours
