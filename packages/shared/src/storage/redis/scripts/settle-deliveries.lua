-- Writes what came of tries, and how the receiver stands by that. With await-receiver.
-- A delivery is settled by whoever has the lease on it: it is due at the very time that lease ends. So it is settled once,
-- also when this is sent twice.
local ready, due, health, events = unpack(KEYS, 1, 4)
-- pause_ms: how long it is left alone after a failure. warn_at: counts of failures that are told, ','-separated, with a ','
-- at both ends; '' = it is no endpoint.
-- Of each delivery follow: id, record, time of the next try ('' = it is over), how long it is kept then, and what it says of
-- the receiver: ok, failed, same.
local receiver, leased_until, now, pause_ms, warn_at, health_ms, channel, message = unpack(ARGV, 1, 8)
local failed = false
for n = 0, (#ARGV - 8) / 5 - 1 do
  local id, record, next_at, kept_ms, says = unpack(ARGV, 9 + 5 * n, 13 + 5 * n)
  local score = redis.call('ZSCORE', due, id)
  if score and tonumber(score) == tonumber(leased_until) then
    if next_at == '' then
      redis.call('SET', KEYS[5 + n], record, 'PX', kept_ms)
      redis.call('ZREM', due, id)
    else
      redis.call('SET', KEYS[5 + n], record)
      redis.call('ZADD', due, next_at, id)
    end
    if says == 'ok' then
      redis.call('HDEL', health, 'f', 's', 'o')
      failed = false
    elseif says == 'failed' then
      failed = true
      local failures = redis.call('HINCRBY', health, 'f', 1)
      redis.call('HSETNX', health, 's', now)
      if string.find(warn_at, ',' .. failures .. ',', 1, true) then
        redis.call('XADD', events, '*', 't', 'webhook_endpoint.failing', 'e', receiver)
        redis.call('PUBLISH', channel, message)
      end
    end
  end
end
if failed then redis.call('HSET', health, 'o', now + pause_ms) end
if health_ms ~= '' and redis.call('EXISTS', health) == 1 then redis.call('PEXPIRE', health, health_ms) end
await_receiver(ready, due, health, receiver)
local known = redis.call('HMGET', health, 'f', 's', 'o')
return { tonumber(known[1] or '0'), known[2] or '', known[3] or '' }
