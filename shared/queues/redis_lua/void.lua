-- Ending the locks of a holder.

local function void(holder)
  for _, path in ipairs({'messages', 'dead'}) do
    local lane = queue .. ':' .. path
    if give_all_back(lane, holder) then wake(path == 'dead' and ':dead:wake' or ':wake', '') end
    if redis.call('EXISTS', lane) == 1 then redis.call('XGROUP', 'DELCONSUMER', lane, GROUP, holder) end
  end
  local holds = redis.call('HGETALL', queue .. ':holds')
  for i = 1, #holds, 2 do
    local session, lock = holds[i], holds[i + 1]
    if string.sub(lock, 1, #holder + 1) == holder .. ':' then
      redis.call('HDEL', queue .. ':holds', session)
      redis.call('ZADD', queue .. ':sessions', now, session)
      if not forgotten(session) then ring(session) end
    end
  end
  redis.call('ZREM', queue .. ':holders', holder)
end
