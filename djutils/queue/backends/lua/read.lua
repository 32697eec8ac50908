-- Takes the next message away. Answers its payload or nil.
promote()
local ids, data = take(1, 0)
if #ids == 0 then
  redis.call('DEL', WAKE)
  return false
end
forget(ids)
return data[1]
