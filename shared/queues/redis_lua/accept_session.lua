-- Lock the session that has been free for longest. ARGV[4]: holder; 5: for how long it is alive; 6: how long the lock lasts;
-- 7: what no other lock has. Returns the session and its lock, or nothing.

alive(ARGV[4], tonumber(ARGV[5]))
enqueue_due()
while true do
  local session = redis.call('ZRANGEBYSCORE', queue .. ':sessions', '-inf', now, 'LIMIT', 0, 1)[1]
  if not session then return false end
  if not forgotten(session) then
    local lock = ARGV[4] .. ':' .. ARGV[7]
    give_all_back(lane_of(session), OUT)
    redis.call('HSET', queue .. ':holds', session, lock)
    redis.call('ZADD', queue .. ':sessions', now + tonumber(ARGV[6]), session)
    return {session, lock}
  end
end
