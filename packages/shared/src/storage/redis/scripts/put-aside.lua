-- Moves members out of the pool, each with its score as of one who comes. Who is no longer in the pool was planned by
-- somebody else, and stays.
-- KEYS 1 pool  2 aside  3 asides  4 stayers      ARGV 1 name of the aside  2 width of a band  3.. members
local band, moved = tonumber(ARGV[2]), 0
for n = 3, #ARGV do
  local score = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[n]) or nil)
  if score then
    local priority = math.floor(score / band / 2)
    redis.call('ZADD', KEYS[2], string.format('%.0f', (priority * 2 + 1) * band + score % band), ARGV[n])
    redis.call('ZREM', KEYS[1], ARGV[n])
    redis.call('ZREM', KEYS[4], ARGV[n])
    moved = moved + 1
  end
end
if moved > 0 then redis.call('SADD', KEYS[3], ARGV[1]) end
return moved
