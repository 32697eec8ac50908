-- ARGV: names. Returns how many of them had a record.
local count, lives = 0, lives_of_results()
for _, name in ipairs(ARGV) do
  for _, life in ipairs(lives) do count = count + redis.call('HDEL', results_key(life, name), name) end
end
return count
