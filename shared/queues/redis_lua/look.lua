-- Whether there is something to receive. ARGV[3], ARGV[4]: a session and the lock that it is held with, or empty.
-- Returns the time, what may come next, and 1 or 0.

-- How many messages of a lane are with a consumer.
local function count(lane, consumer)
  for _, each in ipairs(redis.call('XPENDING', lane, GROUP)[4] or {}) do
    if each[1] == consumer then return tonumber(each[2]) end
  end
  return 0
end

local function something()
  local session = ARGV[3]
  if kind == 'sessions' and session == '' then
    return #redis.call('ZRANGEBYSCORE', queue .. ':sessions', '-inf', now, 'LIMIT', 0, 1) > 0
  end
  local lane = lane_of(session)
  if redis.call('EXISTS', lane) == 0 then return false end
  if kind == 'sessions' then
    local mine = redis.call('HGET', queue .. ':holds', session) == ARGV[4]
    return redis.call('XLEN', lane) > (mine and count(lane, OUT) or 0)
  end
  free_ended(lane)
  return redis.call('XLEN', lane) - redis.call('XPENDING', lane, GROUP)[1] + count(lane, BACK) > 0
end

enqueue_due()
return {now, next_event(), something() and 1 or 0}
