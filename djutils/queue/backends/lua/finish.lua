-- ARGV: owner, the life of the records in milliseconds, what their keys begin with, then each id and its record.
-- Returns the ids that were no longer the owner's, whose records are not kept.
local owner, life, start = ARGV[1], ARGV[2], ARGV[3]
local ids, records = {}, {}
for i = 4, #ARGV, 2 do
  ids[#ids + 1], records[ARGV[i]] = ARGV[i], ARGV[i + 1]
end
begin_by_freeing()
local ours, late = divided(owner, ids)
-- Not among KEYS, where each would be one more word to send: they have the hash slot of the queue.
for _, id in ipairs(ours) do redis.call('SET', start .. id, records[id], 'PX', life) end
done(ours)
tell_ended(ours)
return late
