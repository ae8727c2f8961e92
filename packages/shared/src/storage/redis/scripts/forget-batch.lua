-- Drops the record of an archived batch, its counts and its rows' bits, unless it changed since.
-- KEYS 1 batch  2 batches  3 past  4 totals  5… bits      ARGV 1 id  2 version
local version = redis.call('HGET', KEYS[1], 'v')
if version and version ~= ARGV[2] then return 0 end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('DEL', KEYS[1], unpack(KEYS, 4))
return 1
