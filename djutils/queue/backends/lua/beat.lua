-- ARGV: owners. Returns those that are enrolled.
local enrolled = {}
begin_by_freeing()
for _, owner in ipairs(ARGV) do
  local beats = redis.call('HGET', OWNERS, owner)
  if beats then
    if is_beats(beats) then redis.call('HINCRBY', OWNERS, owner, 1) else redis.call('HSET', OWNERS, owner, 0) end
    enrolled[#enrolled + 1] = owner
  end
end
return enrolled
