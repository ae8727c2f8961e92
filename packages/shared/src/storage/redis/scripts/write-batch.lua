-- Puts the next version of a batch in the place of the one it was decided from, with its indexes and its events.
-- Sent twice it answers as it did the first time: `n` names the write that made the current version.
local batch, totals, open, paused, past, events = unpack(KEYS)
-- made: only while this many jobs were made; '' = however many. dropped: name,amount to be counted, '' = none.
-- retained_until: '' = it is not over. event_types: csv. max_cost: '' = none.
-- tags: as JSON; '' = none.
local id, decided_from, nonce, record, made, created_at, is_paused, retained_until, dropped, event_types, channel,
  message, max_cost, tags = unpack(ARGV)
local current = redis.call('HMGET', batch, 'v', 'n')
if not current[1] then return 0 end
if current[2] == nonce then return 1 end
if current[1] ~= decided_from then return 0 end
if made ~= '' and redis.call('HGET', totals, 'made') ~= made then return 0 end

redis.call('HSET', batch, 'b', record, 'v', decided_from + 1, 'n', nonce)
if max_cost ~= '' then redis.call('HSET', totals, 'max', max_cost) end
for name, amount in string.gmatch(dropped, '([^,]+),([^,]+)') do redis.call('HINCRBY', totals, name, amount) end
if is_paused == '1' then redis.call('SADD', paused, id) else redis.call('SREM', paused, id) end
if retained_until == '' then
  redis.call('ZADD', open, created_at, id)
  redis.call('ZREM', past, id)
else
  redis.call('ZREM', open, id)
  redis.call('ZADD', past, retained_until, id)
end
for type in string.gmatch(event_types, '[^,]+') do
  if tags == '' then
    redis.call('XADD', events, '*', 't', type, 'b', id)
  else
    redis.call('XADD', events, '*', 't', type, 'b', id, 'g', tags)
  end
end
redis.call('PUBLISH', channel, message)
return 1
