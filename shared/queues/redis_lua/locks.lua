-- Locking, for the scripts that receive and settle.

-- A holder is alive for some time after each word from it. What it locks is void once it is not.
local function alive(holder, microseconds)
  redis.call('ZADD', queue .. ':holders', server_time() + microseconds, holder)
end

-- Free the messages of a lane without sessions whose locks have ended.
local function free_ended(lane)
  while true do
    local ended = redis.call('ZRANGEBYSCORE', lane .. ':locks', '-inf', now, 'LIMIT', 0, AT_ONCE)
    if #ended == 0 then return end
    give_back(lane, ended)
  end
end

-- Lock up to `limit` free messages of a lane for a consumer, the oldest first; those that were delivered `most` times
-- (0: any number) become dead letters instead. Returns id, fields, number of the delivery for each.
local function take(lane, consumer, limit, most)
  local found = {}
  if redis.call('EXISTS', lane) == 0 then return found end
  -- What was given back is older than all that was never delivered.
  while #found < limit do
    local back = redis.call('XPENDING', lane, GROUP, '-', '+', limit - #found, BACK)
    if #back == 0 then break end
    for _, each in ipairs(back) do
      local id, deliveries = each[1], each[4]
      if most > 0 and deliveries >= most then
        bury(lane, id, deliveries, 'MaxDeliveryCountExceeded', 'Message could not be consumed after ' .. most .. ' delivery attempts.')
      else
        local entry = redis.call('XCLAIM', lane, GROUP, consumer, 0, id)[1]
        found[#found + 1] = {id, entry[2], deliveries + 1}
      end
    end
  end
  if #found < limit then
    local fresh = redis.call('XREADGROUP', 'GROUP', GROUP, consumer, 'COUNT', limit - #found, 'STREAMS', lane, '>')
    for _, entry in ipairs(fresh and fresh[1][2] or {}) do found[#found + 1] = {entry[1], entry[2], 1} end
  end
  return found
end

-- When the lock of a session ends, false where it is not held with that lock any more.
local function session_held(session, lock)
  local ends = tonumber(redis.call('ZSCORE', queue .. ':sessions', session) or 0)
  return redis.call('HGET', queue .. ':holds', session) == lock and ends > now and ends
end

-- How often a message was delivered, false where its lock was lost. A lock is that of its holder, or of its session, and
-- the number of the delivery.
local function held(lane, session, id, lock)
  if redis.call('EXISTS', lane) == 0 then return false end
  local pending = redis.call('XPENDING', lane, GROUP, id, id, 1)[1]
  if not pending then return false end
  local holder, deliveries = pending[2], pending[4]
  if kind == 'sessions' then
    if holder ~= OUT then return false end
    holder = redis.call('HGET', queue .. ':holds', session) or ''
    if not session_held(session, holder) then return false end
  elseif tonumber(redis.call('ZSCORE', lane .. ':locks', id) or 0) <= now then
    return false
  end
  return holder .. '.' .. deliveries == lock and deliveries
end
