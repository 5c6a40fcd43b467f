-- A holder says that it is alive, and clears up after those that are not. ARGV[4]: holder; 5: for how long it is alive;
-- 6: 1 where it may clear up. Returns 1, or 0 where it counted as gone meanwhile.

local holders, real = queue .. ':holders', server_time()
local mine = tonumber(redis.call('ZSCORE', holders, ARGV[4]) or 0)
redis.call('ZADD', holders, real + tonumber(ARGV[5]), ARGV[4])
-- Where this one was not heard either, all of them may have been asleep.
if mine <= real then return 0 end
if ARGV[6] == '1' then
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', holders, '-inf', real)) do void(gone) end
end
return 1
