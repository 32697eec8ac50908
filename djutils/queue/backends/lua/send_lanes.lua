-- with lanes
-- ARGV: id, payload, delay in microseconds, priority, lane, width, pace, burst, 1 if ordered, of each message.
-- Returns 1 if what there is room for was admitted.
local lanes, rules = {}, {}
for i = 1, #ARGV, 9 do
  local id, payload, delay, priority, lane = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]), ARGV[i + 4]
  local width, pace, burst = tonumber(ARGV[i + 5]), tonumber(ARGV[i + 6]), tonumber(ARGV[i + 7])
  if not redis.call('HMGET', MESSAGES, id)[1] then
    send_to_lane(id, payload, delay, priority, lane, width, pace, burst, tonumber(ARGV[i + 8]))
  end
  add_lane(lanes, lane)
  rules[lane] = {width, pace, burst}
end
return rule_and_admit(lanes, rules)
