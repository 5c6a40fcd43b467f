-- How much waits in a queue, for operators. ARGV[4]: how many sessions are counted at most. Returns the time, how many
-- messages wait or are being handled, since when the oldest does, how many are scheduled, how many are dead letters, and 1
-- where there are more sessions than were counted.

local waiting, oldest, more = 0, false, 0

local function count(lane)
  waiting = waiting + redis.call('XLEN', lane)
  local first = redis.call('XRANGE', lane, '-', '+', 'COUNT', 1)[1]
  if not first then return end
  for i = 1, #first[2], 2 do
    local at = first[2][i] == 'at' and tonumber(first[2][i + 1])
    if at and (not oldest or at < oldest) then oldest = at end
  end
end

enqueue_due()
if kind == 'sessions' then
  local most = tonumber(ARGV[4])
  for _, session in ipairs(redis.call('ZRANGE', queue .. ':sessions', 0, most - 1)) do count(lane_of(session)) end
  if redis.call('ZCARD', queue .. ':sessions') > most then more = 1 end
else
  count(lane_of(''))
end
local due = queue .. ':due'
return {now, waiting, oldest, redis.call('ZCARD', due), redis.call('XLEN', queue .. ':dead'), more}
