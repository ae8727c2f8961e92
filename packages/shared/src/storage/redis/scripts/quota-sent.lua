-- A call leaves now: it stands in the logs at this instant, and no longer at the one when leave was taken.
-- Answers { 1 }, or { -1 } when the days given do not reach to now.
if isStale() then return { -1 } end
local record = redis.call('HGET', CALLS, attempt)
if not record then return { 1 } end
local images, tokens, first, last = unpackCall(record)
if redis.call('ZADD', LOG, now, attempt) == 1 then
  redis.call('HINCRBY', CALLS, '=images', images)
  redis.call('HINCRBY', CALLS, '=tokens', tokens)
end
redis.call('ZADD', COST_LOG, 'XX', now, attempt)
local firstNow, lastNow = daysNow()
if firstNow ~= first or lastNow ~= last then
  countDays(first, last, -1)
  countDays(firstNow, lastNow, 1)
  redis.call('HSET', CALLS, attempt, packCall(images, tokens, firstNow, lastNow))
end
return { 1 }
