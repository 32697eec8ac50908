-- KEYS[10] what is lent to the owner; ARGV[1] owner
if redis.call('HEXISTS', OWNERS, ARGV[1]) == 0 then
  begin_by_freeing()
  redis.call('DEL', KEYS[10])
  redis.call('HSET', OWNERS, ARGV[1], 0)
end
