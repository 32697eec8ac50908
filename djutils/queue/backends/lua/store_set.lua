-- alone: it knows nothing of a queue.
-- KEYS: keys of a store; ARGV: their life in milliseconds, then the value of each.
for i, key in ipairs(KEYS) do redis.call('SET', key, ARGV[i + 1], 'PX', ARGV[1]) end
