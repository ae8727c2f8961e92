-- Puts off the end of an ingest, unless somebody has begun to delete what it left.
-- KEYS: ingests  ARGV: id, until
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not score or score == '0' then
  return 0
end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
return 1
