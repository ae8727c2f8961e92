-- Puts the next version of an endpoint in the place of the one it was decided from, and tells of it. With await-receiver.
-- Sent twice it answers as it did the first time.
local endpoint, events, ready, due, health = unpack(KEYS)
-- version: the new one. disabled: '1' = it is. news: type of event, '' = none.
local id, version, nonce, record, disabled, news, channel, message = unpack(ARGV)
local current = redis.call('HMGET', endpoint, 'v', 'n')
if current[2] == nonce then return 1 end
if not current[1] or tonumber(current[1]) ~= version - 1 then return 0 end
redis.call('HSET', endpoint, 'b', record, 'v', version, 'n', nonce)
if disabled == '1' then
  redis.call('HSET', health, 'x', 1)
elseif redis.call('HEXISTS', health, 'x') == 1 then
  -- Enabled again, it begins with a clean record.
  redis.call('DEL', health)
end
await_receiver(ready, due, health, id)
if news ~= '' then
  redis.call('XADD', events, '*', 't', news, 'e', id)
  redis.call('PUBLISH', channel, message)
end
return 1
