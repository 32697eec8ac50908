-- KEYS[10] what is lent to the owner; ARGV[1] owner
if redis.call('HEXISTS', OWNERS, ARGV[1]) == 0 then
  -- DEL holds nothing up, and a script that began by freeing may go on when the server is out of
  -- memory: so a consumer can still start, and drain it.
  redis.call('DEL', KEYS[10])
  redis.call('HSET', OWNERS, ARGV[1], 0)
end
