-- ARGV: owner, the life of the records in milliseconds, then each id and its record.
-- Returns the ids that were no longer the owner's, whose records are not kept.
local pairs_of, ids = rest(3), {}
for i = 1, #pairs_of, 2 do ids[(i + 1) / 2] = pairs_of[i] end
begin_by_freeing()
local ours, late = divided(ARGV[1], ids)
if #late > 0 then pairs_of = without(pairs_of, late) end
keep_results(ARGV[2], pairs_of)
done(ours)
tell_ended(ours)
return late
