-- Makes the job of a batch's row: twin, cache, record, wake-up, counts. All of it or nothing, and once: each row has a
-- bit, so a row whose job has left Redis already does not become another one.
-- Of the indexes it gets what it needs: it is listed through its batch, and expires with it.
local job, fingerprint, cache, wakes, retention, leader, followers, batch, totals, by_status, bits = unpack(KEYS)
-- As in admit.lua: mode (lead, join, alone), coalesces, looks, past. row: its number. sums: name,amount,name,amount …
local id, version, row, generation, mode, state, status, print, run_at, retained_until, coalesces, looks, past, sums,
  piece = unpack(ARGV)
if redis.call('GETBIT', bits, row) == 1 then return { 'known' } end
if redis.call('HGET', batch, 'v') ~= version then return { 'stale' } end

-- The same key twice, or a job that the caller gave this very id: neither may be written over.
local taken = redis.call('EXISTS', job) == 1
if not taken then
  if mode == 'lead' then
    if coalesces == '1' then
      local twin = redis.call('GET', fingerprint)
      if twin and twin ~= past then return { 'twin', twin } end
    end
    if looks == '1' then
      local cached = redis.call('GET', cache)
      if cached then return { 'cached', cached } end
    end
  elseif mode == 'join' then
    local standing = redis.call('HGET', leader, 's')
    if standing ~= 'queued' and standing ~= 'running' then return { 'gone' } end
  end
end

redis.call('SETBIT', bits, row, 1)
redis.call('HINCRBY', totals, 'made', 1)
if generation == '0' then redis.call('HINCRBY', totals, 'enlisted', 1) end
if tonumber(redis.call('HGET', totals, 'next') or '0') <= tonumber(row) then redis.call('HSET', totals, 'next', row + 1) end
if taken then return { 'known' } end

redis.call('HSET', job, 's', status, 'v', 1, 'a', '', 'f', print, 'h', '-', 't', string.sub(state, 1, piece))
for n = 1, math.ceil(#state / piece) - 1 do
  redis.call('HSET', job, n, string.sub(state, n * piece + 1, (n + 1) * piece))
end
if run_at ~= '' then redis.call('ZADD', wakes, run_at, '1:' .. id) end
if retained_until ~= '' then redis.call('ZADD', retention, retained_until, id) end
if mode == 'lead' and coalesces == '1' then redis.call('SET', fingerprint, id) end
if mode == 'join' then redis.call('SADD', followers, id) end
redis.call('HINCRBY', by_status, status, 1)
for name, amount in string.gmatch(sums, '([^,]+),([^,]+)') do redis.call('HINCRBY', totals, name, amount) end
return { 'created' }
