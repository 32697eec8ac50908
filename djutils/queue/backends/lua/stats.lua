-- Returns {ready, delayed, leased, dead}.
local due = redis.call('ZCOUNT', DELAYED, '-inf', now())
local ready = redis.call('LLEN', READY) + redis.call('ZCARD', RANKED) + due
return {ready, redis.call('ZCARD', DELAYED) - due, count_lent(), redis.call('ZCARD', DEAD)}
