-- Moves members out of the pool, each with its score. Who is no longer in the pool was planned by somebody else, and stays.
-- KEYS 1 pool  2 aside  3 asides  4 leavers      ARGV 1 name of the aside  2.. members
local moved = 0
for n = 2, #ARGV do
  local score = redis.call('ZSCORE', KEYS[1], ARGV[n])
  if score then
    redis.call('ZADD', KEYS[2], score, ARGV[n])
    redis.call('ZREM', KEYS[1], ARGV[n])
    redis.call('ZREM', KEYS[4], ARGV[n])
    moved = moved + 1
  end
end
if moved > 0 then redis.call('SADD', KEYS[3], ARGV[1]) end
return moved
