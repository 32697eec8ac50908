-- with lanes
-- ARGV: delayed or later, a text, how many to look at, how many to bring back at most, and where to begin: the score of the last
-- one that was passed over, or '', and how many of that score were. Makes those due now whose error begins with the text; those that are due first come first.
-- Returns how many these were, 1 if there may be more, and where to go on.
local key, text, count = ARGV[1] == 'later' and LATER or DELAYED, ARGV[2], tonumber(ARGV[3])
local most, score, passed, moment, lanes, found = tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6]), now(), {}, 0
begin_by_freeing()
local from = score == '' and string.format('(%.0f', moment) or score
local line = redis.call('ZRANGEBYSCORE', key, from, '+inf', 'WITHSCORES', 'LIMIT', passed, count)
for i = 1, #line, 2 do
  local id = line[i]
  if found < most and string.sub(about(id)[5], 1, #text) == text then
    found = found + 1
    local facts = key == LATER and laned(id)
    if facts then
      wait_in_lane(id, facts)
      redis.call('ZREM', LATER, id)
      add_lane(lanes, facts[1])
    else
      redis.call('ZADD', key, moment, id)
    end
  elseif line[i + 1] == score then
    passed = passed + 1
  else
    score, passed = line[i + 1], 1
  end
end
admit_all(lanes)
if found > 0 then wake() end
return {found, #line == 2 * count and 1 or 0, score, passed}
