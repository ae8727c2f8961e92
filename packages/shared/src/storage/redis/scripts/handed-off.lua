-- Closes a hand-off once no follower is left; one that joined meanwhile keeps it open.
-- KEYS 1 followers  2 handoffs      ARGV 1 leader
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('ZREM', KEYS[2], ARGV[1]) end
return 1
