-- ARGV: the life of a new counter in milliseconds, its name, what to add.
-- Returns the count as text: a number of Lua has only 53 bits.
local life, name, is_there = ARGV[1], ARGV[2], false
for _, one in ipairs(lives_of_results()) do
  if redis.call('HEXISTS', results_key(one, name), name) == 1 then life, is_there = one, true end
end
if not is_there then keep_results(life, {name, '0'}) end
redis.call('HINCRBY', results_key(life, name), name, ARGV[3])
return redis.call('HGET', results_key(life, name), name)
