-- Makes the deliveries of the events between two places of the log, and moves the cursor from one to the other. With
-- await-receiver. Sent twice it answers as it did the first time.
-- Of each receiver follow four keys, and the keys of its deliveries' records.
local cursor, ready = unpack(KEYS, 1, 2)
-- from: '' = nothing was read yet. log_ms: for how long deliveries are listed.
-- Of each receiver follow its id, '1' if it is an endpoint, and the number of its deliveries; of each delivery: id, record,
-- time of its event, time of its first try ('' = it is dead, '0' = before all others).
local from, to, log_ms, now = unpack(ARGV, 1, 4)
local at = redis.call('GET', cursor) or ''
if at == to then return 1 end
if at ~= from then return 0 end

local k, a = 3, 5
while a <= #ARGV do
  local endpoint, due, log, health = unpack(KEYS, k, k + 3)
  local receiver, is_endpoint, count = ARGV[a], ARGV[a + 1] == '1', tonumber(ARGV[a + 2])
  k, a = k + 4, a + 3
  -- One that was removed since: nothing would ever drop what is made for it now.
  local is_gone = is_endpoint and redis.call('EXISTS', endpoint) == 0
  for _ = 1, count do
    local id, record, event_at, next_at = unpack(ARGV, a, a + 3)
    if not is_gone and next_at == '' then
      if redis.call('SET', KEYS[k], record, 'NX', 'PX', log_ms) then redis.call('ZADD', log, event_at, id) end
    elseif not is_gone and redis.call('SET', KEYS[k], record, 'NX') then
      if next_at == '0' then redis.call('HDEL', health, 'o') end
      redis.call('ZADD', due, next_at, id)
      redis.call('ZADD', log, event_at, id)
    end
    k, a = k + 1, a + 4
  end
  redis.call('ZREMRANGEBYSCORE', log, '-inf', now - log_ms)
  if redis.call('EXISTS', log) == 1 then redis.call('PEXPIRE', log, log_ms) end
  await_receiver(ready, due, health, receiver)
end
redis.call('SET', cursor, to)
return 1
