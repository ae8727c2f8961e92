-- Moves the tenant's lease clock on by one, at most once per `ms` however many reapers call, and names the leases that are over.
-- A clock that only a live reaper moves ages no lease while Redis is away or a machine's time jumps.
-- KEYS 1 tick  2 guard  3 leases      ARGV 1 ms of a tick  2 most names
if redis.call('ZCARD', KEYS[3]) == 0 then return {} end
if redis.call('SET', KEYS[2], 1, 'NX', 'PX', ARGV[1]) then redis.call('INCR', KEYS[1]) end
local now = redis.call('GET', KEYS[1]) or '0'
return redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, ARGV[2])
