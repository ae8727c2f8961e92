-- Accepts an action: idempotency, record, indexes. All of it or nothing. Sent twice it answers as it did the first time.
local action, actions, open, idempotency = unpack(KEYS)
-- kept_ms: how long the idempotency key is kept; '' = none was sent. open_max: most that may be open.
local id, record, created_at, body, kept_ms, nonce, open_max = unpack(ARGV)
if redis.call('HGET', action, 'n') == nonce then return { 'created' } end

if kept_ms ~= '' then
  local answer, first = first_answer(idempotency, body)
  if answer then return { answer, first } end
end
if redis.call('ZCARD', open) >= tonumber(open_max) then return { 'full' } end

redis.call('HSET', action, 'b', record, 'v', 1, 'n', nonce)
redis.call('ZADD', actions, created_at, id)
redis.call('ZADD', open, created_at, id)
if kept_ms ~= '' then redis.call('SET', idempotency, body .. '|' .. id, 'PX', kept_ms) end
return { 'created' }
