-- ARGV[1] cursor. Gives back messages lent to an owner that is not enrolled, and removes invalid owners.
-- Returns {next cursor or 0, how many came back}.
begin_by_freeing()
for _, owner in ipairs(redis.call('HKEYS', OWNERS)) do
  if #owner > 19 or not owner:find('^[1-9]%d*$') then redis.call('HDEL', OWNERS, owner) end
end
local page, stray, back = redis.call('HSCAN', LENT, ARGV[1], 'COUNT', 250), {}, 0
for i = 1, #page[2], 2 do
  local id, owner = page[2][i], page[2][i + 1]
  if id ~= unpacked() and redis.call('HEXISTS', OWNERS, owner) == 0 then stray[#stray + 1] = id end
end
if #stray > 0 then wake() end
for _, id in ipairs(oldest_last(stray)) do
  if give_back(id, redelivered) then back = back + 1 end
end
return {page[1], back}
