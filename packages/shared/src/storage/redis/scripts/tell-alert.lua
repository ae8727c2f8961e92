-- Writes an event about an alert, and that it was told: both or neither, and only behind the version before it.
local alerts, events = unpack(KEYS)
local field, version, state, type, note, channel, message = unpack(ARGV)
local known = redis.call('HGET', alerts, field)
local current = known and string.match(known, '^%d+') or '0'
if tonumber(current) + 1 ~= tonumber(version) then return 0 end

redis.call('HSET', alerts, field, version .. ' ' .. state)
redis.call('XADD', events, '*', 't', type, 'd', note)
redis.call('PUBLISH', channel, message)
return 1
