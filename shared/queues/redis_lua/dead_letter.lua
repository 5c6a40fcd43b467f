-- Move a message to the dead letters. ARGV[4]: id; 5: lock; 6: reason; 7: description. Returns nothing where its lock was lost.

local lane = lane_of(ARGV[3])
local deliveries = held(lane, ARGV[3], ARGV[4], ARGV[5])
if not deliveries then return false end
bury(lane, ARGV[4], deliveries, ARGV[6], ARGV[7])
return 1
