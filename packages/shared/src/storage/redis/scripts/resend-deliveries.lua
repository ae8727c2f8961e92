-- Makes deliveries of one receiver pending that are not. With await-receiver. Those that are, stay as they are, so it may be
-- sent twice.
local endpoint, ready, due, log, arrived, health = unpack(KEYS, 1, 6)
-- due_at: '0' = before all others, also while the receiver is paused.
-- Of each delivery follow: id, record, time of its event.
local receiver, is_endpoint, due_at, log_ms = unpack(ARGV, 1, 4)
-- One that was removed: nothing would ever drop what is made for it now.
if is_endpoint == '1' and redis.call('EXISTS', endpoint) == 0 then return 0 end
local count = 0
for n = 0, (#ARGV - 4) / 3 - 1 do
  local id, record, event_at = unpack(ARGV, 5 + 3 * n, 7 + 3 * n)
  if not redis.call('ZSCORE', due, id) then
    redis.call('SET', KEYS[7 + n], record)
    redis.call('ZADD', due, due_at, id)
    redis.call('ZADD', log, event_at, id)
    redis.call('ZREM', arrived, id)
    count = count + 1
  end
end
if due_at == '0' and count > 0 then redis.call('HDEL', health, 'o') end
if redis.call('EXISTS', log) == 1 then redis.call('PEXPIRE', log, log_ms) end
await_receiver(ready, due, health, receiver)
return count
