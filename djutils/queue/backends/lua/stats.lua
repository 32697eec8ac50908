-- Answers {ready, delayed, leased, dead}.
local due = redis.call('ZCOUNT', DELAYED, '-inf', now())
local ready = redis.call('LLEN', READY) + redis.call('ZCARD', RANKED) + due
local delayed, dead = redis.call('ZCARD', DELAYED) - due, redis.call('ZCARD', DEAD)
return {ready, delayed, redis.call('HLEN', MESSAGES) - ready - delayed - dead, dead}
