-- ARGV: 1 for the newest first, the position of the last known id, that id or '', how many.
-- Returns the position of the first id that follows, counted from the side that is read from, and the ids.
local newest, index, id, count = ARGV[1] == '1', tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local first = 0
if id ~= '' then
  -- Meanwhile ids may have been put before it: messages that came back at the head, new ones at the end.
  local most = index + (newest and 100000 or 1000)
  local at = redis.call('LPOS', READY, id, 'RANK', newest and 1 or -1, 'MAXLEN', most)
  if at then
    first = (newest and at or redis.call('LLEN', READY) - 1 - at) + 1
  elseif newest then
    first = index
  end  -- else it left the head of the line, and so has everything before it
end
if newest then return {first, redis.call('LRANGE', READY, first, first + count - 1)} end
local line, ids = redis.call('LRANGE', READY, -first - count, -first - 1), {}
for i = #line, 1, -1 do ids[#ids + 1] = line[i] end
return {first, ids}
