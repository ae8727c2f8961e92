-- Calls for a turn, once for each cause.
-- KEYS 1 call  2 cause      ARGV 1 ms that both are kept
if redis.call('SET', KEYS[2], 1, 'NX', 'PX', ARGV[1]) then redis.call('SET', KEYS[1], 1, 'PX', ARGV[1]) end
return 1
