-- What all quota scripts share: the keys of a place and of its channel, the clock, and the logs of calls, slid to now.
-- KEYS, of the place: 1 log (attempt by instant)  2 calls (attempt -> images, tokens, first and last day counted)
--   3 in flight (attempt by end of hold)  4 calls by day  5 learnt limits  6 pause
--   of the channel: 7 costs' log (attempt by instant)  8 costs  9 in flight  10 learnt limits;  11 pace of the place, if it is to be kept
-- ARGV 1 attempt  2 minute  3 ten minutes  4 day (ms)  5 1 = rolling day  6..9 four starts of days, now between the inner ones
--   10 requests 11 images 12 tokens 13 calls a day 14 in flight 15 spend 16 the channel's in flight (-1 = no limit known)
--   17 ms that a call may be in flight
-- The instants are the server's: whatever clocks the workers have.
local LOG, CALLS, FLYING, DAYS, LEARNT, PAUSE = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local COST_LOG, COSTS, ALL_FLYING, ALL_LEARNT, PACE = KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11]
local attempt = ARGV[1]
local MINUTE, TEN, DAY, ROLLING = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5] == '1'
local HOLD = tonumber(ARGV[17])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + clock[2] / 1000

-- What a call may take longer on its way than another: windows are longer by it. That of money is not: a cost stands in its log
-- from the end of its call on, when it was booked already, and the next one is booked after its call was let go.
local function guard(span) return math.min(span / 100, 3000) end
local MINUTE_LONG = MINUTE + guard(MINUTE)

local function unpackCall(packed)
  if not packed then return 0, 0, false, false end
  local images, tokens, first, last = string.match(packed, '^(%S+) (%S+) (%S+) (%S+)$')
  return tonumber(images), tonumber(tokens), first, last
end
local function packCall(images, tokens, first, last)
  return string.format('%.0f %.0f %s %s', images, tokens, first, last)
end

-- Takes a call out of the minute's log. Its record stays while it is in flight. (A minus before 0 would be sent as -0.)
local function leaveLog(id)
  local images, tokens = unpackCall(redis.call('HGET', CALLS, id))
  redis.call('HINCRBY', CALLS, '=images', 0 - images)
  redis.call('HINCRBY', CALLS, '=tokens', 0 - tokens)
  redis.call('ZREM', LOG, id)
  if not redis.call('ZSCORE', FLYING, id) then redis.call('HDEL', CALLS, id) end
end
local function leaveCosts(id)
  local cost = redis.call('HGET', COSTS, id)
  if cost then redis.call('HINCRBY', COSTS, '=cost', 0 - cost) end
  redis.call('HDEL', COSTS, id)
  redis.call('ZREM', COST_LOG, id)
end

-- All of them, in pieces: what is left of a busy minute after an idle one is dropped once.
local function eachBefore(key, instant, drop)
  repeat
    local old = redis.call('ZRANGE', key, '-inf', string.format('(%.4f', instant), 'BYSCORE', 'LIMIT', 0, 500)
    for _, id in ipairs(old) do drop(id) end
  until #old < 500
end

-- Rolling days are counted in five hundredths, each of which counts until the last call in it is a day old.
local PIECE = DAY / 500
local DAY_LONG = DAY + PIECE + guard(DAY)
local function pieceAt(instant) return string.format('%.0f', math.floor(instant / PIECE) * PIECE) end
local function startAt(instant)
  for n = 9, 7, -1 do if instant >= tonumber(ARGV[n]) then return n end end
  return 6
end
-- The day that a call counts on; both of them about midnight, since nobody knows on which side of it the call arrives.
local function daysNow()
  if ROLLING then return pieceAt(now), pieceAt(now) end
  return ARGV[startAt(now - guard(DAY))], ARGV[startAt(now + guard(DAY))]
end
local function countDay(day, by)
  if redis.call('HINCRBY', DAYS, day, by) <= 0 then redis.call('HDEL', DAYS, day) end
  if ROLLING then redis.call('HINCRBY', DAYS, '=sum', by) end
end
local function countDays(first, last, by)
  countDay(first, by)
  if last ~= first then countDay(last, by) end
end
-- Pieces in the order of time; there are about five hundred at most.
local function pieces()
  local list = {}
  for _, field in ipairs(redis.call('HKEYS', DAYS)) do
    if string.sub(field, 1, 1) ~= '=' then list[#list + 1] = tonumber(field) end
  end
  table.sort(list)
  return list
end
local function slideDays()
  if not ROLLING then
    -- Today's and tomorrow's at most; whatever else is there is past.
    if redis.call('HLEN', DAYS) < 4 then return end
    for _, field in ipairs(redis.call('HKEYS', DAYS)) do
      if field < ARGV[6] or string.sub(field, 1, 1) == '=' then redis.call('HDEL', DAYS, field) end
    end
    return
  end
  if redis.call('HGET', DAYS, '=counted') == pieceAt(now) then return end
  local sum = 0
  for _, start in ipairs(pieces()) do
    local field = string.format('%.0f', start)
    if start + DAY_LONG <= now then redis.call('HDEL', DAYS, field)
    else sum = sum + redis.call('HGET', DAYS, field) end
  end
  redis.call('HSET', DAYS, '=sum', sum, '=counted', pieceAt(now))
end
local function usedDay()
  if ROLLING then return tonumber(redis.call('HGET', DAYS, '=sum') or '0') end
  local first, last = daysNow()
  local used = tonumber(redis.call('HGET', DAYS, first) or '0')
  if last ~= first then used = math.max(used, tonumber(redis.call('HGET', DAYS, last) or '0')) end
  return used
end
local function dayWait(excess)
  if not ROLLING then
    -- Full is the day that began, or the one that is about to.
    local first, last = daysNow()
    local full = tonumber(redis.call('HGET', DAYS, last) or '0') > tonumber(redis.call('HGET', DAYS, first) or '0')
    local at = startAt(full and (now + guard(DAY)) or (now - guard(DAY)))
    return tonumber(ARGV[at + 1]) + guard(DAY) - now
  end
  for _, start in ipairs(pieces()) do
    excess = excess - tonumber(redis.call('HGET', DAYS, string.format('%.0f', start)))
    if excess <= 0 then return start + DAY_LONG - now end
  end
  return PIECE
end

local function slide()
  eachBefore(FLYING, now, function(id)
    redis.call('ZREM', FLYING, id)
    if not redis.call('ZSCORE', LOG, id) then redis.call('HDEL', CALLS, id) end
  end)
  eachBefore(ALL_FLYING, now, function(id) redis.call('ZREM', ALL_FLYING, id) end)
  eachBefore(LOG, now - MINUTE_LONG, leaveLog)
  eachBefore(COST_LOG, now - TEN, leaveCosts)
  slideDays()
end

-- ms until `excess` of the amounts in a log has slid out of it, oldest first: mostly the first few do.
local function amountWait(log, long, excess, amountOf)
  local from, many = 0, 4
  while true do
    local part = redis.call('ZRANGE', log, from, from + many - 1, 'WITHSCORES')
    for n = 1, #part, 2 do
      excess = excess - amountOf(part[n])
      if excess <= 0 then return part[n + 1] + long - now end
    end
    if #part < 2 * many then return 0 end
    from, many = from + many, math.min(2 * many, 256)
  end
end

local AMOUNTS = {
  requests = function() return 1 end,
  images = function(id) return (unpackCall(redis.call('HGET', CALLS, id))) end,
  tokens = function(id) local _, tokens = unpackCall(redis.call('HGET', CALLS, id)); return tokens end,
  spend = function(id) return tonumber(redis.call('HGET', COSTS, id) or '0') end,
}
local WINDOWS = { 'requests', 'images', 'tokens', 'day', 'spend' }
local SPANS = { requests = MINUTE, images = MINUTE, tokens = MINUTE, day = DAY, spend = TEN }
local CONFIGURED = { requests = 10, images = 11, tokens = 12, day = 13, spend = 15 }

local sums
local function used(window)
  if window == 'requests' then return redis.call('ZCARD', LOG) end
  if window == 'spend' then return tonumber(redis.call('HGET', COSTS, '=cost') or '0') end
  if window == 'day' then return usedDay() end
  if not sums then sums = redis.call('HMGET', CALLS, '=images', '=tokens') end
  return tonumber(sums[window == 'images' and 1 or 2] or '0')
end

-- A learnt limit holds for a while after the last refusal, then grows by a tenth at each step until it is no limit any
-- more: it has reached the configured one, or ten times what it was where none is configured.
local STEPS_MAX = 24
local learntLimits
local function learntOf(window)
  if not learntLimits then
    local own = redis.call('HMGET', LEARNT, 'requests', 'images', 'tokens', 'day')
    learntLimits = { requests = own[1], images = own[2], tokens = own[3], day = own[4], spend = redis.call('HGET', ALL_LEARNT, 'spend') }
  end
  local packed = learntLimits[window]
  if not packed then return nil end
  local limit, at, hold, step, blocked = string.match(packed, '^(%S+) (%S+) (%S+) (%S+) (%S+)$')
  return { limit = tonumber(limit), at = tonumber(at), hold = tonumber(hold), step = tonumber(step), blocked = tonumber(blocked) }
end
local function grown(learnt, steps) return math.floor(learnt.limit * 1.1 ^ steps) + steps end
-- Answers the limit in force (-1 = none), the learnt one (or nil), the instant it is gone, and ms that it is blocked.
local function limitOf(window)
  local configured = tonumber(ARGV[CONFIGURED[window]])
  local learnt = learntOf(window)
  if not learnt then return configured, nil, 0, 0 end
  local blocked = math.max(0, learnt.blocked - now)
  if learnt.limit < 0 then return configured, nil, 0, blocked end
  local steps = math.max(0, math.floor((now - learnt.at - learnt.hold) / learnt.step) + 1)
  local limit = grown(learnt, math.min(steps, STEPS_MAX))
  if steps > STEPS_MAX or (configured >= 0 and limit >= configured) then return configured, nil, 0, blocked end
  local last = steps
  while last <= STEPS_MAX and (configured < 0 or grown(learnt, last) < configured) do last = last + 1 end
  return limit, limit, learnt.at + learnt.hold + (last - 1) * learnt.step, blocked
end

-- ms until `demand` more fits under the limit. More than the whole limit at once goes when nothing else is in the window.
local function windowWait(window, demand)
  local limit, _, _, blocked = limitOf(window)
  if limit < 0 or demand <= 0 then return blocked end
  local inUse = used(window)
  if inUse <= 0 or inUse + demand <= limit then return blocked end
  local excess = math.min(inUse, inUse + demand - limit)
  if window == 'day' then return math.max(blocked, dayWait(excess)) end
  if window == 'requests' then
    local last = redis.call('ZRANGE', LOG, math.ceil(excess) - 1, math.ceil(excess) - 1, 'WITHSCORES')
    return math.max(blocked, last[2] + MINUTE_LONG - now)
  end
  if window == 'spend' then return math.max(blocked, amountWait(COST_LOG, TEN, excess, AMOUNTS.spend)) end
  return math.max(blocked, amountWait(LOG, MINUTE_LONG, excess, AMOUNTS[window]))
end

-- The minute's allowance is not spent in one go: after a burst, calls leave at the limit's own pace. Else whoever comes when
-- others have used it up waits for most of a minute, however fair the lines are. The window, which alone is exact, is longer
-- than the minute and so slower by as much: nothing of it is lost by the pace, and what a burst took ahead is missing at its
-- end for no longer than the burst was. PACE is the instant at which the calls so far would have left evenly.
local function paceOf(demand)
  if not PACE then return end
  local share = 0
  for _, window in ipairs({ 'requests', 'images', 'tokens' }) do
    local limit = limitOf(window)
    if limit > 0 then share = math.max(share, demand[window] / limit) end
  end
  if share > 0 then return MINUTE * math.min(share, 1) end
end
local function paceWait(interval)
  local even = math.max(tonumber(redis.call('GET', PACE) or '0'), now)
  return even + interval - math.max(MINUTE / 60, 4 * interval) - now
end
local function keepPace(interval)
  local even = math.max(tonumber(redis.call('GET', PACE) or '0'), now) + interval
  redis.call('SET', PACE, string.format('%.4f', even), 'PX', math.ceil(even - now + MINUTE))
end

-- The pause in force: ms left, reason, why.
local function pauseNow()
  local packed = redis.call('GET', PAUSE)
  if not packed then return 0, '', '' end
  local till, reason, why = string.match(packed, '^(%S+) (%S+) (.*)$')
  return math.max(0, till - now), reason, why
end

-- Pauses in a row that each began after the one before: how many, when the last one began and when it ended.
local function strikesNow()
  local packed = redis.call('HGET', LEARNT, '=strikes')
  if not packed then return 0, 0, 0 end
  local count, at, till = string.match(packed, '^(%S+) (%S+) (%S+)$')
  return tonumber(count), tonumber(at), tonumber(till)
end

-- Nobody tells when a call in flight ends: somebody who waits for one looks again soon.
local FLIGHT_LOOK = 250
local function flightWait()
  local own, all = tonumber(ARGV[14]), tonumber(ARGV[16])
  if own >= 0 and redis.call('ZCARD', FLYING) >= own then return FLIGHT_LOOK end
  if all >= 0 and redis.call('ZCARD', ALL_FLYING) >= all then return FLIGHT_LOOK end
  return 0
end

-- The days that the caller named do not reach to now: it must ask again with others.
local function isStale()
  return not ROLLING and (now - guard(DAY) < tonumber(ARGV[6]) or now + guard(DAY) >= tonumber(ARGV[9]))
end
local function ms(value) return math.ceil(value) end
