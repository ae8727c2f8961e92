-- Deletes what is held, as long as it is still this one's.
-- KEYS 1 what is held      ARGV 1 whose it is
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
