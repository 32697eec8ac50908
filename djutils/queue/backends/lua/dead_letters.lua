-- ARGV: most bytes, ids... Returns how many of these ids it read, at least one, and for each of them that is a dead
-- letter {id, payload, died, attempts, crashes, redeliveries, error}. An id without a message is not a dead letter.
local most_bytes, ids, letters, size = tonumber(ARGV[1]), rest(2), {}, 0
for i, died in ipairs(redis.call('ZMSCORE', DEAD, unpack(ids))) do
  local id = ids[i]
  local payload = died and redis.call('HGET', MESSAGES, id)
  if payload then
    size = size + #payload
    if size > most_bytes and i > 1 then return {i - 1, letters} end
    local facts = about(id)
    died = math.max(0, math.min(tonumber(died), 2 ^ 53))
    letters[#letters + 1] = {id, payload, died, facts[2], facts[3], facts[4], facts[5]}
  end
end
return {#ids, letters}
