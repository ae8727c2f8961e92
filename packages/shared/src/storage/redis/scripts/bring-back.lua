-- Moves the first members of an aside back into the pool, and forgets an aside that is empty.
-- A member that came into the pool meanwhile keeps its place there: it is of a newer version.
-- KEYS 1 pool  2 aside  3 asides      ARGV 1 name of the aside  2 most members
local found = redis.call('ZRANGE', KEYS[2], 0, ARGV[2] - 1, 'WITHSCORES')
for n = 1, #found, 2 do
  redis.call('ZADD', KEYS[1], 'NX', found[n + 1], found[n])
  redis.call('ZREM', KEYS[2], found[n])
end
if redis.call('EXISTS', KEYS[2]) == 0 then redis.call('SREM', KEYS[3], ARGV[1]) end
return #found / 2
