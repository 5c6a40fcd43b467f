-- Free a message at once, or make it a dead letter. ARGV[4]: id; 5: lock; 6: the most deliveries. Returns nothing where its
-- lock was lost.

local lane, most = lane_of(ARGV[3]), tonumber(ARGV[6])
local deliveries = held(lane, ARGV[3], ARGV[4], ARGV[5])
if not deliveries then return false end
if most > 0 and deliveries >= most then
  bury(lane, ARGV[4], deliveries, 'MaxDeliveryCountExceeded', 'Message could not be consumed after ' .. most .. ' delivery attempts.')
else
  give_back(lane, {ARGV[4]})
  ring(ARGV[3])
end
return 1
