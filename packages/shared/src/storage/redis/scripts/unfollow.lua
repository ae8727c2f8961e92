-- Moves a follower from one leader to another, or out; the heir takes over the fingerprint when the old leader's is free.
-- KEYS 1 followers of the old leader  2 followers of the heir      ARGV 1 follower  2 heir ('' = none)
redis.call('SREM', KEYS[1], ARGV[1])
if ARGV[2] ~= '' and ARGV[2] ~= ARGV[1] then redis.call('SADD', KEYS[2], ARGV[1]) end
return 1
