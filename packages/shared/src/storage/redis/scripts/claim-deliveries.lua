-- Takes deliveries that are due, for as long as the lease lasts: it is the time at which they are due again. With
-- await-receiver.
local ready, due, health = unpack(KEYS)
-- luck_max: failures in a row above which one is taken at a time, over all workers, to see whether the receiver answers.
local receiver, max, now, leased_until, luck_max = unpack(ARGV)
local known = redis.call('HMGET', health, 'f', 's', 'o', 'x')
local failures, open_until = tonumber(known[1] or '0'), tonumber(known[3] or '0')
if known[4] or open_until > tonumber(now) then return { {}, failures, known[2] or '', known[3] or '' } end
local probes = failures > tonumber(luck_max)
local ids = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, probes and 1 or max)
for _, id in ipairs(ids) do redis.call('ZADD', due, leased_until, id) end
if probes and ids[1] then redis.call('HSET', health, 'o', leased_until) end
await_receiver(ready, due, health, receiver)
return { ids, failures, known[2] or '', known[3] or '' }
