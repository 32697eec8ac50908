-- with lanes
-- ARGV: lanes... Admits what there is room for. Returns how many.
local lanes = {}
begin_by_freeing()
for _, lane in ipairs(rest(1)) do add_lane(lanes, lane) end
return admit_all(lanes)
