-- ARGV: owner, delay in microseconds, ids... Returns those that were the owner's.
begin_by_freeing()
local ours, late = divided(ARGV[1], rest(3))
local seen = {}
if #ours > 0 then wake() end
for _, id in ipairs(oldest_last(ours)) do
  if not seen[id] then put(id, about(id)[1], tonumber(ARGV[2]), true) end
  seen[id] = true
  redis.call('HDEL', LENT, id)
end
return ours
