-- ARGV: ids. Answers how many were dead letters and are gone.
local count = 0
for _, id in ipairs(ARGV) do
  if redis.call('ZREM', DEAD, id) == 1 then
    forget({id})
    count = count + 1
  end
end
return count
