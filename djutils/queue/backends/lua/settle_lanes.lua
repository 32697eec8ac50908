-- with lanes
-- ARGV: owner, how many are done, their ids, then what, id, delay in microseconds, charge and error of each other one;
-- what: retry, reject. Settles messages and admits those that come next. Returns those that were not the owner's.
local owner, first = ARGV[1], 3 + ARGV[2]
local done_ids, lanes, ended, died, waits = {}, {}, {}, now(), false
for i = 3, first - 1 do done_ids[i - 2] = ARGV[i] end
begin_by_freeing()
local ours, late = divided(owner, done_ids)
leave_lanes(ours, lanes)
done(ours)
for i = first, #ARGV, 5 do
  local what, id, delay, charge, err = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]), ARGV[i + 4]
  if redis.call('HGET', LENT, id) == owner then
    local facts, history = laned(id), about(id)
    local counter = (what == 'reject' or charge > 0) and 2 or 6
    if facts then add_lane(lanes, facts[1]) end
    if charge >= 0 then history[counter] = history[counter] + (counter == 6 and 1 or charge) end
    history[5] = err
    if what == 'reject' then
      redis.call('ZADD', DEAD, died + #ended, id)
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
    redis.call('HDEL', LENT, id)
    waits = waits or what == 'retry'
  else
    late[#late + 1] = id
  end
end
admit_all(lanes)
if waits then wake() end
tell_ended(ours)
tell_ended(ended)
return late
