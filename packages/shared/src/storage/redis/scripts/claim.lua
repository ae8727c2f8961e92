-- Holds on to a claim for another span, or lets go of it, if it is still one's own.
-- KEYS 1 claim      ARGV 1 token  2 ms (0 = let go)
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then return redis.call('DEL', KEYS[1]) end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
