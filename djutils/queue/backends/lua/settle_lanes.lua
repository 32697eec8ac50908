-- with lanes
-- ARGV: owner, then what, id, delay in microseconds, charge and error of each; what: done, retry, reject.
-- Settles messages and admits those that come next. Returns those that were the owner's.
local owner, ours, lanes, ended, died = ARGV[1], {}, {}, {}, now()
begin_by_freeing()
for i = 2, #ARGV, 5 do
  local what, id, delay, charge, err = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]), ARGV[i + 4]
  if redis.call('HGET', LENT, id) == owner then
    local facts, history = laned(id), about(id)
    ours[#ours + 1] = id
    if facts then lanes[facts[1]] = true end
    if what == 'done' then
      if facts then leave_lane(id, facts) end
      forget({id})
      ended[#ended + 1] = id
    else
      local counter = (what == 'reject' or charge > 0) and 2 or 6
      history[counter] = history[counter] + (counter == 6 and 1 or charge)
      history[5] = err
      if what == 'reject' then
        redis.call('ZADD', DEAD, died + #ours, id)
        ended[#ended + 1] = id
      elseif not facts or facts[3] == 1 then
        put(id, history[1], delay)
      elseif delay > 0 then
        redis.call('ZADD', LATER, now() + delay, id)
      else
        wait_in_lane(id, facts)
      end
      note(id, history)
      if facts and not (what == 'retry' and facts[3] == 1) then give_up_slot(id, facts) end
    end
    redis.call('HDEL', LENT, id)
  end
end
admit_all(lanes)
if #ours > #ended then wake() end
tell_ended(ended)
return ours
