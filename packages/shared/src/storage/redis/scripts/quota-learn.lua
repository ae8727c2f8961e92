-- What a refusal taught holds for everyone from now on. Answers { 1 }, or { -1 } when the days given do not reach to now.
-- ARGV 18 'limit': 19 window  20 the limit named (-1 = none)  21 ms until the window is asked again (0 = at once)
--      18 'pause': 19 ms ('day_end' = until the day is over)  20 ms it grows to (0 = it does not)  21 reason  22 why
if isStale() then return { -1 } end
slide()
local sentAt = tonumber(redis.call('ZSCORE', LOG, attempt) or now)

-- What was in a window when the refused call left. Those after it were on their way too, and refused with it.
local function usedBefore(window)
  if window == 'day' then return used(window) - 1 end
  local log = window == 'spend' and COST_LOG or LOG
  local later = redis.call('ZRANGE', log, sentAt, '+inf', 'BYSCORE', 'LIMIT', 0, 5000)
  local sum = used(window)
  for _, id in ipairs(later) do sum = sum - AMOUNTS[window](id) end
  return sum
end

if ARGV[18] == 'limit' then
  local window, named, wait = ARGV[19], tonumber(ARGV[20]), tonumber(ARGV[21])
  local _, inForce = limitOf(window)
  local before = learntOf(window)
  local limit = named
  if named < 0 then
    limit = math.max(1, math.floor(usedBefore(window) * 0.95))
    -- A burst of refusals is one: the least that was in the window when one of them left is what counts.
    if inForce then limit = math.min(limit, inForce) end
  end
  local span = SPANS[window]
  local hold = ((window == 'spend' or window == 'day') and 3 or (named >= 0 and 30 or 10)) * span
  local step = (window == 'spend' or window == 'day') and span or 2 * span
  local blocked = math.max(now + wait, before and before.blocked or 0)
  local key = window == 'spend' and ALL_LEARNT or LEARNT
  redis.call('HSET', key, window, string.format('%.0f %.3f %.0f %.0f %.3f', limit, now, hold, step, blocked))
  local ttl = hold + (STEPS_MAX + 1) * step + wait
  if redis.call('PTTL', key) < ttl then redis.call('PEXPIRE', key, ms(ttl)) end
  return { 1 }
end

local length, most = tonumber(ARGV[19]), tonumber(ARGV[20])
if ARGV[19] == 'day_end' then
  length = ROLLING and DAY or tonumber(ARGV[startAt(now) + 1]) + guard(DAY) - now
elseif most > 0 then
  local count, began, ended = strikesNow()
  -- A call that left before the last pause began was refused together with the one that caused it.
  if sentAt <= began then return { 1 } end
  -- A quiet time starts anew, and so does a call that succeeded (see quota-ended).
  if now > ended + math.max(ended - began, 2 * MINUTE) then count = 0 end
  length = math.min(most, length * 2 ^ count)
  redis.call('HSET', LEARNT, '=strikes', string.format('%d %.3f %.3f', math.min(count + 1, 30), now, now + length))
  local ttl = 2 * length + 2 * MINUTE
  if redis.call('PTTL', LEARNT) < ttl then redis.call('PEXPIRE', LEARNT, ms(ttl)) end
end
if pauseNow() >= length then return { 1 } end
redis.call('SET', PAUSE, string.format('%.3f %s %s', now + length, ARGV[21], ARGV[22]), 'PX', ms(length))
return { 1 }
