-- ARGV: owner, then id, attempts to charge, error of each. Returns those that were the owner's.
local ours, died = {}, now()
begin_by_freeing()
for i = 2, #ARGV, 3 do
  local id = ARGV[i]
  if redis.call('HGET', LENT, id) == ARGV[1] then
    local facts = about(id)
    facts[2], facts[5] = facts[2] + ARGV[i + 1], ARGV[i + 2]
    redis.call('ZADD', DEAD, died + #ours, id)
    note(id, facts)
    redis.call('HDEL', LENT, id)
    ours[#ours + 1] = id
  end
end
tell_ended(ours)
return ours
