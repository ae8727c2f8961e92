-- Adds the next version of a template. The newest version's own content again adds nothing, so sending twice is safe.
--
-- KEYS  1 versions of the template (hash: version → JSON, n → the newest number there ever was)
--       2 names of the tenant's templates
-- ARGV  1 name  2 content (JSON)  3 most templates of a tenant  4 most versions of one
local number = redis.call('HGET', KEYS[1], 'n')
local versions = redis.call('HLEN', KEYS[1]) - (number and 1 or 0)
local newest = tonumber(number or versions)
if versions == 0 and redis.call('SCARD', KEYS[2]) >= tonumber(ARGV[3]) then return -1 end
if redis.call('HGET', KEYS[1], newest) == ARGV[2] then return newest end
if versions >= tonumber(ARGV[4]) then return -2 end
redis.call('HSET', KEYS[1], newest + 1, ARGV[2], 'n', newest + 1)
redis.call('SADD', KEYS[2], ARGV[1])
return newest + 1
