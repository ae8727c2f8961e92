-- Ingests whose time is over; from here on they cannot be kept.
-- KEYS: ingests  ARGV: now, limit
local ids = redis.call('ZRANGE', KEYS[1], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[2])
for _, id in ipairs(ids) do
  redis.call('ZADD', KEYS[1], 0, id)
end
return ids
