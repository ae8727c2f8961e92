-- Moves members of the pool into the band of those that cannot leave the lane, or of those that can; priority and deadline
-- stay. Who is no longer in the pool was planned by somebody else.
-- KEYS 1 pool      ARGV 1 how many of the members cannot leave  2 width of a band  3.. members, those first
local band = tonumber(ARGV[2])
for n = 3, #ARGV do
  local score = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[n]) or nil)
  if score then
    local kind = n - 2 <= tonumber(ARGV[1]) and 1 or 0
    local priority = math.floor(score / band / 3)
    redis.call('ZADD', KEYS[1], string.format('%.0f', (priority * 3 + kind) * band + score % band), ARGV[n])
  end
end
return #ARGV - 2
