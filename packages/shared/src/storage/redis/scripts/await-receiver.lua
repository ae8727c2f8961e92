-- Part of others. Notes when something can next be sent to a receiver: when its first delivery is due, and it is not paused;
-- never while it is disabled (`x`), or nothing waits for it.
local function await_receiver(ready, due, health, receiver)
  local first = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
  local pause = redis.call('HMGET', health, 'x', 'o')
  if not first[1] or pause[1] then return redis.call('ZREM', ready, receiver) end
  redis.call('ZADD', ready, math.max(tonumber(first[2]), tonumber(pause[2] or '0')), receiver)
end
