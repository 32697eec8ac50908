-- alone: it must not fail where a permission is missing.
-- KEYS: count, probe (never exists); ARGV: for each command to try, its name and the number of its arguments.
-- Returns the commands that this user may not call. Nothing changes but COUNT, which only grows: a command for
-- another type of key is refused by COUNT's type, and commands for every type get the key that does not exist.
local UNTYPED = {del = true, exists = true, pexpire = true, set = true, unlink = true}
local denied, freed = {}, redis.pcall('DEL', KEYS[2])  -- so it goes on when the server's memory is full

local function try(command, ...)
  local reply = redis.pcall(command, ...)
  local failure = type(reply) == 'table' and reply.err
  if not failure then return true end
  local refused = failure:find('NOPERM') or failure:find('permission') or failure:find("can't run this command")
  if not refused then return reply end
  denied[#denied + 1] = command
  return false
end

local counted = try('incr', KEYS[1])
if counted ~= true then return counted or denied end
for _, trial in ipairs(ARGV) do
  local command, count = trial:match('(%S+) (%d+)')
  local words = {}
  for i = 1, tonumber(count) do words[i] = '0' end
  if words[1] then words[1] = UNTYPED[command] and KEYS[2] or KEYS[1] end
  if command == 'set' then words[3] = 'XX' end
  if command ~= 'incr' then try(command, unpack(words)) end
end
return denied
