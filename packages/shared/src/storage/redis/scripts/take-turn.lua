-- Takes a turn that nobody has had for `ms`; one that was called for, after `gap` already.
-- KEYS 1 turn  2 call      ARGV 1 ms  2 gap in ms
local left = redis.call('PTTL', KEYS[1])
if left > 0 then
  if left > ARGV[1] - ARGV[2] or redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
end
redis.call('SET', KEYS[1], 1, 'PX', ARGV[1])
redis.call('DEL', KEYS[2])
return 1
