-- Makes an endpoint, unless there are too many. One that is there stays as it is, so it may be sent twice.
local endpoint, endpoints = unpack(KEYS)
local id, record, created_at, nonce, max = unpack(ARGV)
if redis.call('EXISTS', endpoint) == 1 then return 'created' end
if redis.call('ZCARD', endpoints) >= tonumber(max) then return 'full' end
redis.call('HSET', endpoint, 'b', record, 'v', 1, 'n', nonce)
redis.call('ZADD', endpoints, created_at, id)
return 'created'
