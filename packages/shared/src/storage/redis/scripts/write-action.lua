-- Puts the next version of an action in the place of the one it was decided from, with its indexes.
-- Sent twice it answers as it did the first time: `n` names the write that made the current version.
local action, open, past = unpack(KEYS)
-- retained_until: '' = it is not over.
local id, version, nonce, record, retained_until = unpack(ARGV)
local current = redis.call('HMGET', action, 'v', 'n')
if not current[1] then return 0 end
if current[2] == nonce then return 1 end
if tonumber(current[1]) + 1 ~= tonumber(version) then return 0 end

redis.call('HSET', action, 'b', record, 'v', version, 'n', nonce)
if retained_until ~= '' then
  redis.call('ZREM', open, id)
  redis.call('ZADD', past, retained_until, id)
end
return 1
