-- ARGV: owners. Answers those that are enrolled.
local enrolled = {}
begin_by_freeing()
for _, owner in ipairs(ARGV) do
  if redis.call('HEXISTS', OWNERS, owner) == 1 then
    redis.call('HINCRBY', OWNERS, owner, 1)
    enrolled[#enrolled + 1] = owner
  end
end
return enrolled
