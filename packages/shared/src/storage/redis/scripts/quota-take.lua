-- Takes a call out of every window of a place and of its channel at once, or out of none.
-- Answers { 1 }, { 0, ms to wait, reason, window }, or { -1 } when the days given do not reach to now.
-- ARGV 18 images  19 tokens  20 cost
if isStale() then return { -1 } end
slide()
if redis.call('ZSCORE', LOG, attempt) or redis.call('ZSCORE', FLYING, attempt) then return { 1 } end
local demand = { requests = 1, images = tonumber(ARGV[18]), tokens = tonumber(ARGV[19]), day = 1, spend = tonumber(ARGV[20]) }

local wait, reason, window = 0, 'rate_limited', ''
local function consider(waits, why, name) if waits > wait then wait, reason, window = waits, why, name end end
for _, name in ipairs(WINDOWS) do
  consider(windowWait(name, demand[name]), name == 'day' and 'parked' or 'rate_limited', name)
end
consider(flightWait(), 'rate_limited', 'concurrency')
local interval = paceOf(demand)
if interval then consider(paceWait(interval), 'rate_limited', 'requests') end
local paused, why = pauseNow()
consider(paused, why, 'pause')
if wait > 0 then return { 0, ms(wait), reason, window } end

if interval then keepPace(interval) end
local first, last = daysNow()
redis.call('ZADD', LOG, now, attempt)
redis.call('HSET', CALLS, attempt, packCall(demand.images, demand.tokens, first, last))
redis.call('HINCRBY', CALLS, '=images', demand.images)
redis.call('HINCRBY', CALLS, '=tokens', demand.tokens)
redis.call('ZADD', FLYING, now + HOLD, attempt)
redis.call('ZADD', ALL_FLYING, now + HOLD, attempt)
redis.call('ZADD', COST_LOG, now, attempt)
redis.call('HSET', COSTS, attempt, demand.spend)
redis.call('HINCRBY', COSTS, '=cost', demand.spend)
countDays(first, last, 1)

-- What nobody calls any more leaves nothing behind.
for key, span in pairs({ [LOG] = MINUTE, [CALLS] = MINUTE, [FLYING] = 0, [ALL_FLYING] = 0, [COST_LOG] = TEN, [COSTS] = TEN, [DAYS] = DAY }) do
  redis.call('PEXPIRE', key, ms(span * 2 + HOLD))
end
return { 1 }
