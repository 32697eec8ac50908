-- with taking, lanes
-- ARGV: how many were read since one was chosen by age. Removes the next message. Returns its payload or nil.
begin_by_freeing()
promote()
local ids, data, leave = take(1, 0, tonumber(ARGV[1]))
leave()
hand_on()
if #ids == 0 then return false end
local facts = laned(ids[1])
if facts then leave_lane(ids[1], facts) end
forget(ids)
if facts then admit_all({facts[1]}) end
return data[1]
