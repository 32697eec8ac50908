-- ARGV[1] owner
begin_by_freeing()
redis.call('HSETNX', OWNERS, ARGV[1], 0)
unpack_lent()
