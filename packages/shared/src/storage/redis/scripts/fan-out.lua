-- Makes the deliveries of the events between two places of the log, and moves the cursor from one to the other. With
-- await-receiver. Sent twice it answers as it did the first time.
-- Of each receiver follow three keys, and the keys of its deliveries' records.
local cursor, ready = unpack(KEYS, 1, 2)
-- from: '' = nothing was read yet. log_max: most deliveries of a receiver that are listed. log_ms: for how long.
-- Of each receiver follow its id and the number of its deliveries, of each delivery: id, record, time of its event, time
-- of its first try.
local from, to, log_max, log_ms, now = unpack(ARGV, 1, 5)
local at = redis.call('GET', cursor) or ''
if at == to then return 1 end
if at ~= from then return 0 end

local k, a = 3, 6
while a <= #ARGV do
  local due, log, health = unpack(KEYS, k, k + 2)
  local receiver, count = ARGV[a], tonumber(ARGV[a + 1])
  k, a = k + 3, a + 2
  for _ = 1, count do
    local id, record, event_at, next_at = unpack(ARGV, a, a + 3)
    if redis.call('SET', KEYS[k], record, 'NX') then
      redis.call('ZADD', due, next_at, id)
      redis.call('ZADD', log, event_at, id)
    end
    k, a = k + 1, a + 4
  end
  redis.call('ZREMRANGEBYRANK', log, 0, -log_max - 1)
  redis.call('ZREMRANGEBYSCORE', log, '-inf', now - log_ms)
  redis.call('PEXPIRE', log, log_ms)
  await_receiver(ready, due, health, receiver)
end
redis.call('SET', cursor, to)
return 1
