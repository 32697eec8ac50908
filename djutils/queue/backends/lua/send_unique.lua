-- with lanes
-- KEYS[11] hash: key -> the id of the message that holds it, then a blank and the moment it ends if that is a period.
-- ARGV: the key; 'done', 'started' or a period in microseconds; id, payload, delay in microseconds, priority; lane ('' for
-- none), width, pace, burst, 1 if ordered; and, to replace a message that waits, its id and the payload for it, or '?' if it
-- is not known yet.
-- Returns {id that holds the key, 'sent', 'replaced' or 'held'}; or {id of what waits, 'ask'}: call again with its payload.
-- The key comes before the payload: if the script fails in between, the key is held by a message that does not exist.
local UNIQUE = KEYS[11]
local key, duration, id, payload = unpack(ARGV, 1, 4)
local delay, priority, lane, replaced, replacement = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7], ARGV[12], ARGV[13]
local period = tonumber(duration)

local function first(command, ...) return redis.call(command, ...)[1] end  -- by what producers may call

local holder, ends = nil, nil
local held = first('HMGET', UNIQUE, key)
if held then holder, ends = held:match('^(%S*) ?(%d*)$') end
local lives = holder and first('HMGET', MESSAGES, holder) and not redis.call('ZSCORE', DEAD, holder)
local waits = lives and not first('HMGET', LENT, holder)
if replaced then
  if waits and holder ~= replaced then return {holder, 'ask'} end
  if waits then
    wake()
    local packed = first('HMGET', ABOUT, holder)
    if packed then note(holder, {facts_of(packed)[1], 0, 0, 0, '', 0}) end
    for _, key in ipairs({DELAYED, LATER}) do
      if redis.call('ZSCORE', key, holder) then redis.call('ZADD', key, now() + delay, holder) end
    end
    redis.call('HSET', MESSAGES, holder, replacement)
    return {holder, 'replaced'}
  end
else
  local holds = period and tonumber(ends) and tonumber(ends) > now()
  if not period then holds = duration == 'done' and lives or duration == 'started' and waits end
  if holds then return {holder, holder == id and 'sent' or 'held'} end
end
if not first('HMGET', MESSAGES, id) then
  redis.call('HSET', UNIQUE, key, period and string.format('%s %.0f', id, now() + period) or id)
  if lane == '' then
    wake()
    if priority ~= 0 then note(id, {priority, 0, 0, 0, '', 0}) end
    put(id, priority, delay)
    redis.call('HSET', MESSAGES, id, payload)
  else
    local width, pace, burst = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
    send_to_lane(id, payload, delay, priority, lane, width, pace, burst, tonumber(ARGV[11]))
    rule_and_admit({lane}, {[lane] = {width, pace, burst}})
  end
end
return {id, 'sent'}
