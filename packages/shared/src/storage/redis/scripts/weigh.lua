-- Notes of newcomers whether they can leave the lane. Who is no longer in the pool was planned by somebody else.
-- A leaver's score is its deadline: that in the pool less what its priority adds.
-- KEYS 1 pool  2 newcomers  3 leavers      ARGV 1 how many of the members can leave  2 step of priorities  3.. members, those first
for n = 3, #ARGV do
  local score = redis.call('ZSCORE', KEYS[1], ARGV[n])
  redis.call('SREM', KEYS[2], ARGV[n])
  if score and n - 2 <= tonumber(ARGV[1]) then
    redis.call('ZADD', KEYS[3], string.format('%.0f', tonumber(score) % tonumber(ARGV[2])), ARGV[n])
  else
    redis.call('ZREM', KEYS[3], ARGV[n])
  end
end
return #ARGV - 2
