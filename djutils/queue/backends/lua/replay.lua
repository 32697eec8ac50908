-- ARGV: ids. Answers how many were dead letters and are back in the line, as if never tried.
local count = 0
for _, id in ipairs(ARGV) do
  if redis.call('ZREM', DEAD, id) == 1 then
    local priority = about(id)[1]
    redis.call('HDEL', ABOUT, id)
    if priority ~= 0 then note(id, {priority, 0, 0, 0, ''}) end
    line_up(id, priority)
    count = count + 1
  end
end
if count > 0 then wake() end
return count
