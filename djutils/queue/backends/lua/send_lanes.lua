-- with lanes
-- ARGV: id, payload, delay in microseconds, priority, lane, width, pace, burst, 1 if ordered, of each message.
-- A payload comes after its id: if the script fails before that, the message was not sent. Returns 1 if what there is
-- room for was admitted; a user who may only send leaves that to a consumer.
local lanes, rules = {}, {}
for i = 1, #ARGV, 9 do
  local id, lane = ARGV[i], ARGV[i + 4]
  local delay, priority = tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])
  local width, pace, burst = tonumber(ARGV[i + 5]), tonumber(ARGV[i + 6]), tonumber(ARGV[i + 7])
  if not redis.call('HMGET', MESSAGES, id)[1] then
    local place = string.format('%03d%016d', 100 - priority, redis.call('INCR', COUNT))
    local facts = {lane, place, tonumber(ARGV[i + 8]), width, pace, burst}
    redis.call('HSET', LANED, id, cmsgpack.pack(facts))
    if priority ~= 0 then note(id, {priority, 0, 0, 0, '', 0}) end
    if delay > 0 then redis.call('ZADD', LATER, now() + delay, id) else wait_in_lane(id, facts) end
    redis.call('HSET', MESSAGES, id, ARGV[i + 1])
  end
  add_lane(lanes, lane)
  rules[lane] = {width, pace, burst}
end
local known = all_unpacked_from(LANES, lanes)
for _, lane in ipairs(lanes) do
  local rule, times = rules[lane], known[lane] or {0, 0, 0, 0, 0}
  -- The newest sender decides; what was admitted and started counts.
  redis.call('HSET', LANES, lane, cmsgpack.pack({rule[1], rule[2], rule[3], times[4], times[5]}))
end
local denied = redis.pcall('ZREM', WAITING, '')
if type(denied) == 'table' and denied.err then return 0 end
if admit(lanes) > 0 then wake() end
return 1
