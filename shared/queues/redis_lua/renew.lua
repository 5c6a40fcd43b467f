-- Renew the lock of a message, or of its session. ARGV[4]: id; 5: lock; 6: how long it lasts. Returns the time and the
-- lock's new end, or nothing where it was lost. A session's lock is that of its messages without the number behind the dot.

local ends = now + tonumber(ARGV[6])
if kind == 'sessions' then
  if not session_held(ARGV[3], string.match(ARGV[5], '^(.*)%.')) then return false end
  redis.call('ZADD', queue .. ':sessions', ends, ARGV[3])
else
  local lane = lane_of('')
  if not held(lane, '', ARGV[4], ARGV[5]) then return false end
  redis.call('ZADD', lane .. ':locks', ends, ARGV[4])
end
return {now, ends}
