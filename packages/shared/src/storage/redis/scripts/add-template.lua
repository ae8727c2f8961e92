-- Adds the next version of a template. The newest version's own content again adds nothing, so sending twice is safe.
--
-- KEYS  1 versions of the template (hash: version → JSON)  2 names of the tenant's templates
-- ARGV  1 name  2 content (JSON)  3 most templates of a tenant  4 most versions of one
local newest = redis.call('HLEN', KEYS[1])
if newest == 0 and redis.call('SCARD', KEYS[2]) >= tonumber(ARGV[3]) then return -1 end
if newest > 0 and redis.call('HGET', KEYS[1], newest) == ARGV[2] then return newest end
if newest >= tonumber(ARGV[4]) then return -2 end
redis.call('HSET', KEYS[1], newest + 1, ARGV[2])
redis.call('SADD', KEYS[2], ARGV[1])
return newest + 1
