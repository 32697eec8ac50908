-- KEYS[10] what is lent to the owner
-- ARGV: owner, beats or '', 1 when it is known what ran, then id and reason of each that ran.
-- Answers how many came back.
local owner, beats, known = ARGV[1], ARGV[2], ARGV[3] == '1'
if beats ~= '' and redis.call('HGET', OWNERS, owner) ~= beats then return 0 end
local ids = redis.call('SMEMBERS', KEYS[10])
redis.call('DEL', KEYS[10])
redis.call('HDEL', OWNERS, owner)

local reasons = {}
for i = 4, #ARGV, 2 do reasons[ARGV[i]] = ARGV[i + 1] end
-- Each goes in front of the one before it, so the oldest goes last.
table.sort(ids, function(a, b) return a > b end)
for _, id in ipairs(ids) do
  local facts = about(id)
  if reasons[id] then
    facts[3], facts[5] = facts[3] + 1, reasons[id]
    note(id, facts)
  elseif not known then
    facts[4] = facts[4] + 1
    note(id, facts)
  end
  line_up(id, facts[1], true)
end
if #ids > 0 then wake() end
return #ids
