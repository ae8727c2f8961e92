-- Keeps everyone away from a model; a shorter pause never cuts a longer one.
-- KEYS 1 pause      ARGV 1 ms  2 why
if redis.call('PTTL', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[1])
return 1
