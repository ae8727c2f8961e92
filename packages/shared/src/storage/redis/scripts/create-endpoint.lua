-- Makes an endpoint, unless there are too many. One that is there stays as it is, so it may be sent twice.
local endpoint, endpoints, removed = unpack(KEYS)
local id, record, created_at, nonce, max = unpack(ARGV)
if redis.call('EXISTS', endpoint) == 1 then return 'created' end
if redis.call('ZCARD', endpoints) >= tonumber(max) then return 'full' end
-- Made again just after it was removed, it goes on with what waits, which must not be dropped then.
redis.call('SREM', removed, id)
redis.call('HSET', endpoint, 'b', record, 'v', 1, 'n', nonce)
redis.call('ZADD', endpoints, created_at, id)
return 'created'
