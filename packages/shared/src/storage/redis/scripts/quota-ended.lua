-- A call is over: it is no longer in flight, and what it used takes the place of what was expected.
-- Its cost stands in the log at its end from now on: that is when it is known to whoever bills it.
-- ARGV 18 images  19 tokens  20 cost ('' = as expected)  21 1 = it was never made
local wasFlying = redis.call('ZREM', FLYING, attempt) == 1
redis.call('ZREM', ALL_FLYING, attempt)
local record = redis.call('HGET', CALLS, attempt)
local images, tokens, first, last = unpackCall(record)
if ARGV[21] == '1' then
  if redis.call('ZSCORE', LOG, attempt) then leaveLog(attempt) end
  if record then countDays(first, last, -1) end
  redis.call('HDEL', CALLS, attempt)
  leaveCosts(attempt)
  return { 1 }
end
local sentAt = redis.call('ZSCORE', LOG, attempt)
-- An image made by a call that left after the last pause: that one was long enough.
if (tonumber(ARGV[18]) or 0) > 0 and sentAt then
  local count, _, ended = strikesNow()
  if count > 0 and tonumber(sentAt) >= ended then redis.call('HDEL', LEARNT, '=strikes') end
end
if record and sentAt then
  local imagesNow, tokensNow = tonumber(ARGV[18]) or images, tonumber(ARGV[19]) or tokens
  redis.call('HINCRBY', CALLS, '=images', imagesNow - images)
  redis.call('HINCRBY', CALLS, '=tokens', tokensNow - tokens)
  redis.call('HSET', CALLS, attempt, packCall(imagesNow, tokensNow, first, last))
elseif record then
  redis.call('HDEL', CALLS, attempt)
end
local expected = redis.call('HGET', COSTS, attempt)
local cost = tonumber(ARGV[20]) or tonumber(expected)
if not cost or not (expected or wasFlying) then return { 1 } end
redis.call('HINCRBY', COSTS, '=cost', cost - (expected or 0))
redis.call('HSET', COSTS, attempt, cost)
if wasFlying then redis.call('ZADD', COST_LOG, now, attempt) end
return { 1 }
