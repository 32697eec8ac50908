-- ARGV: owner, the life of the records in milliseconds, what their keys begin with, then each id and its record.
-- Returns the ids that were no longer the owner's, whose records are not kept.
local owner, life, start, last = ARGV[1], ARGV[2], ARGV[3], #ARGV
local ids, gone, call = {}, {}, redis.call
for i = 4, last, 2 do ids[i / 2 - 1] = ARGV[i] end
begin_by_freeing()
local ours, late = divided(owner, ids)
for _, id in ipairs(late) do gone[id] = true end
-- Not among KEYS, where each would be one more word to send: they have the hash slot of the queue.
for i = 4, last, 2 do
  if not gone[ARGV[i]] then call('SET', start .. ARGV[i], ARGV[i + 1], 'PX', life) end
end
done(ours)
tell_ended(ours)
return late
