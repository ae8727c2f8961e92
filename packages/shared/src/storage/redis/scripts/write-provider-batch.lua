-- Puts the next version of a provider batch in the place of the one it was decided from, with its place on the list of
-- open ones. Sent twice it answers as it did the first time: `n` names the write that made the current version. Two writers
-- may well decide the same; still only one of them has written it, and may do what it says.
--
-- KEYS  1 record  2 open ones
-- ARGV  1 id  2 version it was decided from ('0' = it is new)  3 version  4 document  5 due at ('' = closed)
--       6 members ('keep' = leave them)  7 ms a closed one is kept  8 nonce of this write
local known = redis.call('HMGET', KEYS[1], 'v', 'n')
if known[2] == ARGV[8] then return 1 end
if (known[1] or '0') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'v', ARGV[3], 'd', ARGV[4], 'n', ARGV[8])
if ARGV[6] ~= 'keep' then redis.call('HSET', KEYS[1], 'm', ARGV[6]) end
if ARGV[5] == '' then
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('HDEL', KEYS[1], 'm')
  redis.call('PEXPIRE', KEYS[1], ARGV[7])
else
  redis.call('ZADD', KEYS[2], ARGV[5], ARGV[1])
end
return 1
