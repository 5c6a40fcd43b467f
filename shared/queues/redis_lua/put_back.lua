-- Free what was locked for one that had stopped waiting. From ARGV[4] on: id and lock of each message.

local lane = lane_of(ARGV[3])
for i = 4, #ARGV, 2 do
  local deliveries = held(lane, ARGV[3], ARGV[i], ARGV[i + 1])
  if deliveries then take_back(lane, ARGV[i], deliveries) end
end
ring(ARGV[3])
return 1
