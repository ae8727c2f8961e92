-- Moves members of the pool into the band of the weighed, and keeps apart those that cannot leave the lane; priority and
-- deadline stay. Who is no longer in the pool was planned by somebody else.
-- KEYS 1 pool  2 stayers      ARGV 1 how many of the members cannot leave  2 width of a band  3.. members, those first
local staying, band = tonumber(ARGV[1]), tonumber(ARGV[2])
for n = 3, #ARGV do
  local score = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[n]) or nil)
  if score then
    local priority, deadline = math.floor(score / band / 2), string.format('%.0f', score % band)
    redis.call('ZADD', KEYS[1], string.format('%.0f', priority * 2 * band + score % band), ARGV[n])
    if n - 2 <= staying then
      redis.call('ZADD', KEYS[2], deadline, ARGV[n])
    else
      redis.call('ZREM', KEYS[2], ARGV[n])
    end
  end
end
return #ARGV - 2
