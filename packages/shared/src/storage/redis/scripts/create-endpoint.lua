-- Makes an endpoint, unless there are too many. Sent twice it answers as it did the first time.
local endpoint, endpoints = unpack(KEYS)
local id, record, created_at, nonce, max = unpack(ARGV)
if redis.call('HGET', endpoint, 'n') == nonce then return 'created' end
if redis.call('ZCARD', endpoints) >= tonumber(max) then return 'full' end
redis.call('HSET', endpoint, 'b', record, 'v', 1, 'n', nonce)
redis.call('ZADD', endpoints, created_at, id)
return 'created'
