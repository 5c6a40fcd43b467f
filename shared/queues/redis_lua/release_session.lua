-- Give a session back. ARGV[4]: its lock. As in Service Bus, that does not count as a delivery of what was not settled.

local session = ARGV[3]
if redis.call('HGET', queue .. ':holds', session) ~= ARGV[4] then return 0 end
redis.call('HDEL', queue .. ':holds', session)
if forgotten(session) then return 1 end
local lane = lane_of(session)
while true do
  local out = redis.call('XPENDING', lane, GROUP, '-', '+', AT_ONCE, OUT)
  if #out == 0 then break end
  for _, each in ipairs(out) do take_back(lane, each[1], each[4]) end
end
redis.call('ZADD', queue .. ':sessions', now, session)
ring(session)
return 1
