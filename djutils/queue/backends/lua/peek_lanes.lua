-- with lanes
-- ARGV: the lane to continue after ('' to begin), how many lanes, most ids. Takes nothing. Returns of each lane {name, width, pace,
-- burst, when it opens or '', how many wait, how many are admitted, ids of those}.
local found, lane = {}, ARGV[1]
for _ = 1, tonumber(ARGV[2]) do
  lane = lane_after(lane)
  if lane == '' then break end
  local rule, ids = unpacked_from(LANES, lane) or {1, 0, 1}, {}
  local from, to = range_of(lane)
  for i, member in ipairs(redis.call('ZRANGEBYLEX', SLOTS, from, to, 'LIMIT', 0, ARGV[3])) do
    ids[i] = string.match(member, '%z([^%z]*)$')
  end
  local opens = rule[2] > 0 and redis.call('ZSCORE', OPENS, lane)
  local waiting, admitted = redis.call('ZLEXCOUNT', WAITING, from, to), redis.call('ZLEXCOUNT', SLOTS, from, to)
  if opens and tonumber(opens) <= now() then opens = false end
  found[#found + 1] = {lane, rule[1], rule[2], rule[3], opens or '', waiting, admitted, ids}
end
return found
