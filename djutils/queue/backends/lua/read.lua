-- Removes the next message. Returns its payload or nil.
begin_by_freeing()
promote()
local ids, data, leave = take(1, 0)
leave()
hand_on()
if #ids == 0 then return false end
forget(ids)
return data[1]
