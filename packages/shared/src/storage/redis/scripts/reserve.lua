-- Marks an idempotency key as being in the middle of its body, for its owner alone.
-- KEYS 1 idempotency      ARGV 1 mark of the owner  2 ms
local seen = redis.call('GET', KEYS[1])
if seen and string.sub(seen, 1, 1) ~= '~' then return 'used' end
if seen and seen ~= ARGV[1] then return 'busy' end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 'reserved'
