-- Forgets every version of a template, but not how many there were: a number never comes to mean something else.
--
-- KEYS  1 versions of the template (hash: version → JSON, n → the newest number there ever was)
--       2 names of the tenant's templates
-- ARGV  1 name
local newest = redis.call('HGET', KEYS[1], 'n') or redis.call('HLEN', KEYS[1])
if tonumber(newest) == 0 then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'n', newest)
return redis.call('SREM', KEYS[2], ARGV[1])
