-- Makes deliveries of one receiver pending that are not. With await-receiver. Those that are, stay as they are, so it may be
-- sent twice.
local ready, due, log, health = unpack(KEYS, 1, 4)
-- Of each delivery follow: id, record, time of its event.
local receiver, now, log_ms = unpack(ARGV, 1, 3)
local count = 0
for n = 0, (#ARGV - 3) / 3 - 1 do
  local id, record, event_at = unpack(ARGV, 4 + 3 * n, 6 + 3 * n)
  if not redis.call('ZSCORE', due, id) then
    redis.call('SET', KEYS[5 + n], record)
    redis.call('ZADD', due, now, id)
    redis.call('ZADD', log, event_at, id)
    count = count + 1
  end
end
if redis.call('EXISTS', log) == 1 then redis.call('PEXPIRE', log, log_ms) end
await_receiver(ready, due, health, receiver)
return count
