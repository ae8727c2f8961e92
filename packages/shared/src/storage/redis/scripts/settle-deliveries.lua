-- Writes what came of tries, and how the receiver stands by that. With await-receiver.
-- A delivery is settled by whoever has the lease on it: it is due at the very time that lease ends. So it is settled once,
-- also when this is sent twice.
local ready, due, health, events, log, arrived = unpack(KEYS, 1, 6)
-- pause_ms: how long it is left alone after a failure. warn_at: counts of failures that are told, ','-separated, with a ','
-- at both ends; '' = it is no endpoint.
-- records: what the names of their keys begin with. arrived_max: most records that are kept of deliveries that arrived.
-- Of each delivery follow: id, record, time of the next try ('' = it is over), how long it is kept then, what it says of the
-- receiver (ok, failed, same), and the time of its event if it arrived ('' = it did not).
local receiver, leased_until, now, pause_ms, warn_at, health_ms, channel, message, records, arrived_max = unpack(ARGV, 1, 10)
local failed = false
for n = 0, (#ARGV - 10) / 6 - 1 do
  local id, record, next_at, kept_ms, says, arrived_at = unpack(ARGV, 11 + 6 * n, 16 + 6 * n)
  local score = redis.call('ZSCORE', due, id)
  if score and tonumber(score) == tonumber(leased_until) then
    if next_at == '' then
      redis.call('SET', KEYS[7 + n], record, 'PX', kept_ms)
      redis.call('ZREM', due, id)
      if arrived_at ~= '' then
        redis.call('ZREM', log, id)
        redis.call('ZADD', arrived, arrived_at, id)
        redis.call('PEXPIRE', arrived, kept_ms)
      end
    else
      redis.call('SET', KEYS[7 + n], record)
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
-- The oldest go: a busy receiver would fill the memory with what nobody asks for.
local over = redis.call('ZCARD', arrived) - arrived_max
if over > 0 then
  for _, id in ipairs(redis.call('ZRANGE', arrived, 0, over - 1)) do redis.call('DEL', records .. id) end
  redis.call('ZREMRANGEBYRANK', arrived, 0, over - 1)
end
if failed then redis.call('HSET', health, 'o', now + pause_ms) end
if health_ms ~= '' and redis.call('EXISTS', health) == 1 then redis.call('PEXPIRE', health, health_ms) end
await_receiver(ready, due, health, receiver)
local known = redis.call('HMGET', health, 'f', 's', 'o')
return { tonumber(known[1] or '0'), known[2] or '', known[3] or '' }
