-- Prepended, after the common part, to every script that begins with "-- with taking".
local ONE_IN = 10  -- of so many messages that are lent, one is the oldest that waits, whatever its priority

-- What waits after the first from_ready of READY and the first from_ranked of RANKED: for each priority, the largest first,
-- its list and up to most ids in their order.
local function lines_after(from_ready, from_ranked, most)
  local lines, from = {}, nil
  local ready = {READY, redis.call('LRANGE', READY, -from_ready - most, -from_ready - 1)}
  for i = 1, math.floor(#ready[2] / 2) do
    local other = #ready[2] + 1 - i
    ready[2][i], ready[2][other] = ready[2][other], ready[2][i]
  end
  local head = redis.call('ZRANGE', RANKED, from_ranked, from_ranked, 'WITHSCORES')
  while head[1] do
    local priority = math.floor(0.5 - head[2] / 2 ^ 44)
    if priority < 0 and ready then lines[#lines + 1], ready = ready, nil end
    local beyond = string.format('%.0f', (0.5 - priority) * 2 ^ 44)
    lines[#lines + 1] =
      {RANKED, redis.call('ZRANGEBYSCORE', RANKED, head[2], '(' .. beyond, 'LIMIT', 0, most)}
    head = redis.call('ZRANGEBYSCORE', RANKED, beyond, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  end
  lines[#lines + 1] = ready
  return lines
end

-- The first most of these lines by age, each as {age, line, place, id, list}: ids sort by time, and none comes before those that
-- are before it in its line.
local function oldest_of(lines, most)
  local found = {}
  for number, line in ipairs(lines) do
    local age = ''
    for place, id in ipairs(line[2]) do
      if id > age then age = id end
      found[#found + 1] = {age, number, place, id, line[1]}
    end
  end
  table.sort(found, function(a, b)
    if a[1] ~= b[1] then return a[1] < b[1] end
    if a[2] ~= b[2] then return a[2] < b[2] end
    return a[3] < b[3]
  end)
  for i = #found, most + 1, -1 do found[i] = nil end
  return found
end

local function by_priority(a, b)
  if a[2] ~= b[2] then return a[2] < b[2] end
  return a[3] < b[3]
end

-- Chooses up to count ids: by priority, and after each ONE_IN - 1 of them one by age; since is how many were lent since the last
-- one by age. No more payload than most_bytes, unless the first alone or the first by age exceeds it. Returns the ids, their
-- payloads, and a function that removes them from the lists.
local function take(count, most_bytes, since)
  local ids, data, chosen, size, enough = {}, {}, 0, 0, false  -- chosen is #ids, which Lua would have to search for

  local function fits(line)  -- how many of these, with those that are skipped
    local first, at_once, length = 1, 16, #line
    while first <= length do
      local last = math.min(first + at_once - 1, length)
      local payloads = redis.call('HMGET', MESSAGES, unpack(line, first, last))
      for i = 1, #payloads do
        local payload = payloads[i]
        size = size + (payload and #payload or 0)
        enough = size > most_bytes and chosen > 0
        if enough then return first + i - 2 end
        if payload then
          chosen = chosen + 1
          ids[chosen], data[chosen] = line[first + i - 1], payload
        end
      end
      first, at_once = last + 1, size * 8 < most_bytes and 128 or 16  -- small ones go together
    end
    return length
  end

  local function walk(ids_from)  -- how many of this part of the line are chosen or skipped
    local seen = 0
    while chosen < count and not enough do
      local wanted = count - chosen
      local fitting = fits(ids_from(seen, wanted))
      seen = seen + fitting
      enough = enough or seen - chosen > FARTHEST
      if fitting < wanted then break end
    end
    return seen
  end

  local function ranked(min, max)
    return walk(function(first, wanted)
      return redis.call('ZRANGEBYSCORE', RANKED, min, max, 'LIMIT', first, wanted)
    end)
  end

  local function ready(first, wanted)
    local line = redis.call('LRANGE', READY, -first - wanted, -first - 1)
    local length = #line
    for i = 1, math.floor(length / 2) do line[i], line[length + 1 - i] = line[length + 1 - i], line[i] end
    return line
  end

  local others = redis.call('EXISTS', RANKED) == 1
  local share = others and math.floor((since + count) / ONE_IN) or 0
  count = count - share
  local from_ranked = others and ranked('-inf', '(0') or 0
  local from_ready = walk(ready)
  if others then from_ranked = from_ranked + ranked('0', '+inf') end

  local by_age, also_ranked = {}, {}
  share = math.min(share, math.floor((since + chosen) / (ONE_IN - 1)))  -- fewer if their bytes were enough before
  local oldest = share > 0 and oldest_of(lines_after(from_ready, from_ranked, share), share) or {}
  for i, one in ipairs(oldest) do
    local payload = redis.call('HMGET', MESSAGES, one[4])[1]
    size = size + (payload and #payload or 0)
    if size > most_bytes and i > 1 then break end
    by_age[i], one[6] = one, payload
  end
  table.sort(by_age, by_priority)
  for _, one in ipairs(by_age) do
    if one[5] == READY then from_ready = from_ready + 1 else also_ranked[#also_ranked + 1] = one[4] end
    if one[6] then
      chosen = chosen + 1
      ids[chosen], data[chosen] = one[4], one[6]
    end
  end
  return ids, data, function()
    if from_ready > 0 then redis.call('LTRIM', READY, 0, -from_ready - 1) end
    if from_ranked > 0 then redis.call('ZREMRANGEBYRANK', RANKED, 0, from_ranked - 1) end
    if #also_ranked > 0 then redis.call('ZREM', RANKED, unpack(also_ranked)) end
  end
end
