-- with lanes
-- ARGV: 1 to return payloads, most bytes, ids... Takes nothing. Returns how many of these ids it read, at
-- least one, and for each that is a message {id, state, due or died or '', owner or '', attempts, crashes,
-- redeliveries, offers, error, payload or '', the lane in which it waits now or when it is due, or ''}.
local with_data, most_bytes, ids, found, size = ARGV[1] == '1', tonumber(ARGV[2]), rest(3), {}, 0
local moment = now()
for i, id in ipairs(ids) do
  local payload = with_data and redis.call('HGET', MESSAGES, id) or ''
  if payload ~= '' or redis.call('HEXISTS', MESSAGES, id) == 1 then
    local facts, state, lane, score = about(id), 'ready', '', redis.call('ZSCORE', DEAD, id)
    local owner = not score and redis.call('HGET', LENT, id)
    size = size + #payload + #facts[5]
    if size > most_bytes and i > 1 then return {i - 1, found} end
    if score then
      state = 'dead'
    elseif owner then
      state = 'leased'
    else
      score = redis.call('ZSCORE', DELAYED, id)
      if score and tonumber(score) > moment then state = 'delayed' end
      local its_lane = not score and laned(id)
      if its_lane then
        score = redis.call('ZSCORE', LATER, id)
        local waits = not score and redis.call('ZSCORE', WAITING, waiting_member(id, its_lane))
        if score or waits then state, lane = score and 'delayed' or 'waiting', its_lane[1] end
      end
    end
    found[#found + 1] =
      {id, state, score or '', owner or '', facts[2], facts[3], facts[4], facts[6], facts[5], payload, lane}
  end
end
return {#ids, found}
