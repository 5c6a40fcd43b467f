-- Remove a message. ARGV[4]: id; 5: lock. Returns nothing where its lock was lost.

local lane = lane_of(ARGV[3])
if not held(lane, ARGV[3], ARGV[4], ARGV[5]) then return false end
drop(lane, ARGV[4])
return 1
