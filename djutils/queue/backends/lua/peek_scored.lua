-- with lanes
-- ARGV: ranked, delayed, later or dead; the lowest and the highest score, in which 'now' is the server's time; 1 for the
-- newest first; score and id of the last one that is known, or '' and ''; how many.
-- Returns {id, score...} in the order of their scores.
local key = ({ranked = RANKED, delayed = DELAYED, later = LATER, dead = DEAD})[ARGV[1]]
local newest, score, id, count = ARGV[4] == '1', ARGV[5], ARGV[6], tonumber(ARGV[7])

local function with_time(bound) return (bound:gsub('now', string.format('%.0f', now()))) end

local function up_to(bound) return redis.call('ZCOUNT', key, '-inf', bound) end

local function below(bound)  -- how many lie before a range that begins there
  return up_to(bound:sub(1, 1) == '(' and bound:sub(2) or '(' .. bound)
end

local first, last = below(with_time(ARGV[2])), up_to(with_time(ARGV[3])) - 1
if id ~= '' then
  local low, high = below(score), up_to(score)  -- those of the same score, which are in the order of their ids
  while low < high do
    local middle = math.floor((low + high) / 2)
    local other = redis.call('ZRANGE', key, middle, middle)[1]
    if other < id or (not newest and other == id) then low = middle + 1 else high = middle end
  end
  if newest then last = math.min(last, low - 1) else first = math.max(first, low) end
end
if newest then first = math.max(first, last - count + 1) else last = math.min(last, first + count - 1) end
if first > last then return {} end
return redis.call('ZRANGE', key, first, last, 'WITHSCORES')
