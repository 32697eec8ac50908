-- KEYS[10] what is lent to the owner; ARGV: delay in microseconds, ids... Answers those that were the owner's.
local ours = {}
for _, id in ipairs(rest(2)) do
  if redis.call('SREM', KEYS[10], id) == 1 then ours[#ours + 1] = id end
end
-- Each goes in front of the one before it, so the oldest goes last.
table.sort(ours, function(a, b) return a > b end)
for _, id in ipairs(ours) do put(id, about(id)[1], tonumber(ARGV[1]), true) end
if #ours > 0 then wake() end
return ours
