-- ARGV: owner, beats or '', 1 when it is known what was running, then id and reason of each running message.
-- Returns how many came back.
local owner, beats, known = ARGV[1], ARGV[2], ARGV[3] == '1'
if beats ~= '' and beats_of(owner) ~= beats then return 0 end
begin_by_freeing()
local reasons, back, ids = {}, 0, oldest_last(lent_to(owner))
for i = 4, #ARGV, 2 do reasons[ARGV[i]] = ARGV[i + 1] end
if #ids > 0 then wake() end
for _, id in ipairs(ids) do
  local change = not known and redelivered or nil
  if reasons[id] then
    change = function(facts) facts[3], facts[5] = facts[3] + 1, reasons[id] end
  end
  if give_back(id, change) then back = back + 1 end
end
redis.call('HDEL', OWNERS, owner)
unpack_lent()
return back
