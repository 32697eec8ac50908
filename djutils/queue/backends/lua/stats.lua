-- with lanes
-- Returns {ready, delayed, leased, dead, waiting in lanes}.
local due = redis.call('ZCOUNT', DELAYED, '-inf', now())
local ready = redis.call('LLEN', READY) + redis.call('ZCARD', RANKED) + due
return {ready, redis.call('ZCARD', DELAYED) - due + redis.call('ZCARD', LATER), count_lent(), redis.call('ZCARD', DEAD), redis.call('ZCARD', WAITING)}
