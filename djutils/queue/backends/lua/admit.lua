-- with lanes
-- ARGV: lanes... Admits what there is room for, also in the places of what other scripts have ended. Returns how many.
local lanes = {}
begin_by_freeing()
for _, lane in ipairs(rest(1)) do
  clean(lane)
  add_lane(lanes, lane)
end
return admit_all(lanes)
