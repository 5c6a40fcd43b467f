-- Lock the next messages of a session. ARGV[4]: its lock; 5: how many; 6: the most deliveries. Returns what receiving
-- returns, or nothing where the session's lock was lost.

local session, lock = ARGV[3], ARGV[4]
local ends = session_held(session, lock)
if not ends then return false end
enqueue_due()
local found = take(lane_of(session), OUT, tonumber(ARGV[5]), tonumber(ARGV[6]))
for _, each in ipairs(found) do each[4] = lock .. '.' .. each[3] end
return {now, #found == 0 and next_event() or false, ends, found}
