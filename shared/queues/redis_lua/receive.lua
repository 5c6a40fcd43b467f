-- Lock messages of a path without sessions. ARGV[4]: holder; 5: for how long it is alive; 6: how many; 7: how long the
-- locks last; 8: the most deliveries. Returns the time, what may come next, the end of the locks, and the messages.

local lane, holder, ends = lane_of(''), ARGV[4], now + tonumber(ARGV[7])
alive(holder, tonumber(ARGV[5]))
enqueue_due()
free_ended(lane)
local found = take(lane, holder, tonumber(ARGV[6]), tonumber(ARGV[8]))
for _, each in ipairs(found) do
  redis.call('ZADD', lane .. ':locks', ends, each[1])
  each[4] = holder .. '.' .. each[3]
end
return {now, #found == 0 and next_event() or false, ends, found}
