-- Send a batch. ARGV[4]: microseconds for which an id is swallowed (0: never). Then for each message: id, session, body,
-- properties, and when it is due (empty: now).

local window = tonumber(ARGV[4])
local seen = queue .. ':seen'

local function swallowed(id)
  if window == 0 then return false end
  local ends = redis.call('ZSCORE', seen, id)
  if ends and tonumber(ends) > now then return true end
  redis.call('ZADD', seen, now + window, id)
  return false
end

local function schedule(fields, at)
  local number = next_number()
  redis.call('XADD', queue .. ':scheduled', number .. '-0', unpack(fields))
  -- What is due at the same time comes in the order in which it was sent.
  redis.call('ZADD', queue .. ':due', at, string.format('%016d', number))
  wake(':wake', '')
end

for i = 5, #ARGV, 5 do
  local id, session, body, properties, at = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], tonumber(ARGV[i + 4])
  if not swallowed(id) then
    local fields = {'id', id, 'session', session, 'body', body, 'properties', properties}
    if at and at > now then schedule(fields, at) else enqueue(fields, session, now) end
  end
end

if window > 0 then
  local old = redis.call('ZRANGEBYSCORE', seen, '-inf', now, 'LIMIT', 0, AT_ONCE)
  if #old > 0 then redis.call('ZREM', seen, unpack(old)) end
end
return 1
