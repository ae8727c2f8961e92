-- Accepts a batch: idempotency, record, indexes, the hash of its counts. All of it or nothing.
-- Sent twice it answers as it did the first time: `n` names the write that made the current version.
local batch, batches, open, totals, idempotency = unpack(KEYS)
-- kept_ms: how long the idempotency key is kept; '' = none was sent. max_cost: '' = none.
local id, record, created_at, body, owner, kept_ms, nonce, max_cost = unpack(ARGV)
if redis.call('HGET', batch, 'n') == nonce then return { 'created' } end

if kept_ms ~= '' then
  local seen = redis.call('GET', idempotency)
  if seen and string.sub(seen, 1, 1) == '~' then
    if seen ~= '~' .. owner then return { 'busy' } end
  else
    local answer, first = first_answer(idempotency, body)
    if answer then return { answer, first } end
  end
end
if redis.call('EXISTS', batch) == 1 then return { 'replayed', id } end

redis.call('HSET', batch, 'b', record, 'v', 1, 'n', nonce)
redis.call('ZADD', batches, created_at, id)
redis.call('ZADD', open, created_at, id)
redis.call('HSET', totals, 'made', 0)
-- Beside the sums, for the scripts that change its jobs.
if max_cost ~= '' then redis.call('HSET', totals, 'max', max_cost) end
if kept_ms ~= '' then redis.call('SET', idempotency, body .. '|' .. id, 'PX', kept_ms) end
return { 'created' }
