-- Holds the lease of the open attempt for another span, never a shorter one than it has; 0 when the attempt is no longer the open one.
-- KEYS 1 job  2 leases  3 tick      ARGV 1 id  2 attempt  3 ticks
if redis.call('HGET', KEYS[1], 'a') ~= ARGV[2] then return 0 end
redis.call('ZADD', KEYS[2], 'GT', tonumber(redis.call('GET', KEYS[3]) or '0') + tonumber(ARGV[3]), ARGV[1])
return 1
