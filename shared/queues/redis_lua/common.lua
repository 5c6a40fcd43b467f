-- What every script begins with. KEYS[1] is a queue; every key begins with it, and it is in braces, so that all of a queue's
-- keys share one slot of a Redis Cluster. ARGV[1] is the time, empty for the server's own; ARGV[2] the kind of path:
-- 'plain', 'sessions' or 'dead'; ARGV[3] the session. Times are microseconds since the epoch.
--
--   :messages, :session:NAME, :dead   lanes: streams with one consumer group. A stream's id is the sequence number. Who has
--                                     a message locked is its consumer in the group, and the group counts its deliveries
--   :messages:locks, :dead:locks      sorted set: message -> end of its lock
--   :sessions                         sorted set: session with messages -> end of its lock, or since when it is free
--   :holds                            hash: held session -> its lock, which begins with the holder
--   :scheduled, :due                  stream of scheduled messages; sorted set: number -> when it is due
--   :seen                             sorted set: id -> until when it is swallowed
--   :holders                          sorted set: open broker -> until when it counts as alive, by the server's own time
--   :wake, :dead:wake                 channels: the session in which something may be, or an empty text

local queue, kind = KEYS[1], ARGV[2]
local GROUP, BACK, OUT = 'group', 'back', 'out'
local AT_ONCE = 100

local function server_time()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

local now = ARGV[1] == '' and server_time() or tonumber(ARGV[1])

local function lane_of(session)
  if kind == 'dead' then return queue .. ':dead' end
  if kind == 'sessions' then return queue .. ':session:' .. session end
  return queue .. ':messages'
end

local woken = {}
local function wake(channel, session)
  local name = queue .. channel
  if not woken[name .. session] then
    woken[name .. session] = true
    redis.call('PUBLISH', name, session)
  end
end

-- Wake whoever waits for what is free in the lane of a session.
local function ring(session)
  if kind == 'dead' then wake(':dead:wake', '') else wake(':wake', kind == 'sessions' and session or '') end
end

local function next_number() return redis.call('INCR', queue .. ':sequence') end

local function append(lane, fields)
  if redis.call('EXISTS', lane) == 0 then redis.call('XGROUP', 'CREATE', lane, GROUP, '0', 'MKSTREAM') end
  redis.call('XADD', lane, next_number() .. '-0', unpack(fields))
end

local function enqueue(fields, session, at)
  fields[#fields + 1] = 'at'
  fields[#fields + 1] = at
  append(lane_of(session), fields)
  if kind == 'sessions' then redis.call('ZADD', queue .. ':sessions', 'NX', at, session) end
  ring(session)
end

-- Append the scheduled messages that are due: as in Service Bus, only then do they get their sequence numbers.
local function enqueue_due()
  if kind == 'dead' then return end
  local due = redis.call('ZRANGEBYSCORE', queue .. ':due', '-inf', now, 'WITHSCORES', 'LIMIT', 0, AT_ONCE)
  for i = 1, #due, 2 do
    local id = tonumber(due[i]) .. '-0'
    local fields = redis.call('XRANGE', queue .. ':scheduled', id, id)[1][2]
    redis.call('XDEL', queue .. ':scheduled', id)
    redis.call('ZREM', queue .. ':due', due[i])
    enqueue(fields, fields[4], tonumber(due[i + 1]))
  end
end

-- When something may come free by itself; false where nothing will.
local function next_event()
  local found = false
  local function consider(first)
    local at = tonumber(first[2])
    if at and (not found or at < found) then found = at end
  end
  if kind ~= 'dead' then consider(redis.call('ZRANGE', queue .. ':due', 0, 0, 'WITHSCORES')) end
  if kind == 'sessions' then
    consider(redis.call('ZRANGEBYSCORE', queue .. ':sessions', '(' .. string.format('%.0f', now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1))
  else
    consider(redis.call('ZRANGE', lane_of('') .. ':locks', 0, 0, 'WITHSCORES'))
  end
  return found
end

local function drop(lane, id)
  redis.call('XACK', lane, GROUP, id)
  redis.call('XDEL', lane, id)
  redis.call('ZREM', lane .. ':locks', id)
end

local function bury(lane, id, deliveries, reason, description)
  local fields = redis.call('XRANGE', lane, id, id)[1][2]
  drop(lane, id)
  for _, each in ipairs({'deliveries', deliveries, 'reason', reason, 'description', description}) do
    fields[#fields + 1] = each
  end
  append(queue .. ':dead', fields)
  wake(':dead:wake', '')
end

-- Free messages that somebody had locked: from now on they are those of the consumer BACK. Their deliveries count on.
local function give_back(lane, ids)
  if #ids == 0 then return end
  local claim = {'XCLAIM', lane, GROUP, BACK, 0}
  for _, id in ipairs(ids) do claim[#claim + 1] = id end
  claim[#claim + 1] = 'JUSTID'
  redis.call(unpack(claim))
  redis.call('ZREM', lane .. ':locks', unpack(ids))
end

-- A delivery that nobody has got to see does not count.
local function take_back(lane, id, deliveries)
  redis.call('XCLAIM', lane, GROUP, BACK, 0, id, 'RETRYCOUNT', deliveries - 1, 'JUSTID')
  redis.call('ZREM', lane .. ':locks', id)
end

-- Free everything that a consumer has; return whether that was anything.
local function give_all_back(lane, consumer)
  if redis.call('EXISTS', lane) == 0 then return false end
  local any = false
  while true do
    local pending = redis.call('XPENDING', lane, GROUP, '-', '+', AT_ONCE, consumer)
    if #pending == 0 then return any end
    local ids = {}
    for i, each in ipairs(pending) do ids[i] = each[1] end
    give_back(lane, ids)
    any = true
  end
end

-- Forget a session without messages; return whether it had none.
local function forgotten(session)
  local lane = lane_of(session)
  if redis.call('XLEN', lane) > 0 then return false end
  redis.call('DEL', lane)
  redis.call('ZREM', queue .. ':sessions', session)
  redis.call('HDEL', queue .. ':holds', session)
  return true
end
