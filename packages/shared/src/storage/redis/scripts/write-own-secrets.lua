-- Puts the generations of a tenant's own secret in the place of those they were decided from.
-- Sent twice it answers as it did the first time.
local secret = unpack(KEYS)
-- generation: the newest of them; the one before it must be the newest that there is.
local generation, nonce, record = unpack(ARGV)
local current = redis.call('HMGET', secret, 'g', 'n')
if current[2] == nonce then return 1 end
if tonumber(current[1] or 0) ~= generation - 1 then return 0 end
redis.call('HSET', secret, 'b', record, 'g', generation, 'n', nonce)
return 1
