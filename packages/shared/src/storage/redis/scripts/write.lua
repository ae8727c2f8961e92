-- Puts the next version of a job's state in the place of the one it was decided from, with everything that follows
-- from it: indexes, wake-up, lease, twin and cache keys, sums, events. All of it or nothing.
-- Sent twice it answers as it did the first time: `n` names the write that made the current version.
--
-- In the order of `writeArgs`:
local job, of_old_status, of_new_status, wakes, leases, tick_key, deadlines, retention, events, fingerprint, cache,
  totals, followers_key, handoffs, batch_totals, rows = unpack(KEYS)
-- request: 'keep' = leave it. open: '' = no attempt is out, '-' = one without a lease.
-- run_at: '' = wake nobody. lease_ticks: '' = no lease. retained_until: '' = not terminal.
-- joinable_ms: how long the fingerprint stays joinable; '' = leave it, '0' = drop it, 'claim' = take it if free.
-- cached_ms: '' = not to be cached. event_types: csv. sums: name,amount,name,amount …
-- expires_at: '' = its batch sees to that. row: old and new status of a batch's row, '' = it is none. row_sums: like sums,
-- for its batch. piece: bytes of a field, '' = `state` is one field.
-- hands_on: '1' = followers may be handed the end. only_if_over: '1' = only if the lease is over.
-- dearer: by how much, and only if its batch's max_cost has room for that; '' = at any price.
-- batch: its own, for its events; '' = none. tags: as JSON; '' = none. hooked: '1' = it has a webhook of its own.
local id, decided_from, nonce, request, state, status, open, run_at, lease_ticks, created_at, expires_at, retained_until,
  joinable_ms, cached_ms, cached_result, event_types, sums, hands_on, now, only_if_over, channel, message, row,
  row_sums, piece, dearer, batch, tags, hooked = unpack(ARGV)
local current = redis.call('HMGET', job, 'v', 'n')
if not current[1] then return { 'stale' } end
if current[2] == nonce then return { 'written', redis.call('ZSCORE', handoffs, id) and '1' or '0' } end
if current[1] ~= decided_from then return { 'stale' } end
if only_if_over == '1' then
  local over = redis.call('ZSCORE', leases, id)
  local tick = tonumber(redis.call('GET', tick_key) or '0')
  if over and tonumber(over) > tick then return { 'stale' } end
end
if dearer ~= '' then
  local money = redis.call('HMGET', batch_totals, 'max', 'actual', 'in_doubt', 'open_estimated')
  local max, actual, in_doubt, estimated = unpack(money)
  local sum = (actual or 0) + (in_doubt or 0) + (estimated or 0) + dearer
  if max and sum > tonumber(max) then return { 'poor' } end
end

local version = tonumber(decided_from) + 1
-- A packed state is laid down in pieces; what a longer one left behind them goes.
local first, pieces = state, 0
if piece ~= '' then
  first, pieces = string.sub(state, 1, piece), math.ceil(#state / piece) - 1
  for n = 1, pieces do redis.call('HSET', job, n, string.sub(state, n * piece + 1, (n + 1) * piece)) end
end
redis.call('HSET', job, 't', first, 's', status, 'v', version, 'a', open, 'n', nonce)
if request ~= 'keep' then
  redis.call('HSET', job, 'r', request)
  repeat pieces = pieces + 1 until redis.call('HDEL', job, pieces) == 0
end
-- A batch's row is listed through its batch, and expires with it.
if row ~= '' then
  local was, is = string.match(row, '(%a+) (%a+)')
  redis.call('HINCRBY', rows, was, -1)
  redis.call('HINCRBY', rows, is, 1)
elseif of_old_status ~= of_new_status then
  redis.call('ZREM', of_old_status, id)
  redis.call('ZADD', of_new_status, created_at, id)
end
redis.call('ZREM', wakes, decided_from .. ':' .. id)
if run_at ~= '' then redis.call('ZADD', wakes, run_at, version .. ':' .. id) end
if lease_ticks == '' then
  redis.call('ZREM', leases, id)
else
  redis.call('ZADD', leases, tonumber(redis.call('GET', tick_key) or '0') + tonumber(lease_ticks), id)
end
if retained_until == '' then
  if expires_at ~= '' then redis.call('ZADD', deadlines, expires_at, id) end
else
  redis.call('ZREM', deadlines, id)
  redis.call('ZADD', retention, retained_until, id)
end
if joinable_ms == 'claim' then
  redis.call('SET', fingerprint, id, 'NX')
elseif joinable_ms ~= '' and redis.call('GET', fingerprint) == id then
  if joinable_ms == '0' then redis.call('DEL', fingerprint) else redis.call('PEXPIRE', fingerprint, joinable_ms) end
end
if cached_ms ~= '' then redis.call('SET', cache, cached_result, 'PX', cached_ms) end
for name, amount in string.gmatch(sums, '([^,]+),([^,]+)') do
  redis.call('HINCRBY', totals, name, amount)
end
-- The counts go away with their batch, which may be before a late image of its last row.
if row_sums ~= '' and redis.call('EXISTS', batch_totals) == 1 then
  for name, amount in string.gmatch(row_sums, '([^,]+),([^,]+)') do redis.call('HINCRBY', batch_totals, name, amount) end
end
for type in string.gmatch(event_types, '[^,]+') do
  local event = { 't', type, 'j', id }
  if batch ~= '' then event[5], event[6] = 'b', batch end
  if hooked ~= '' then event[#event + 1], event[#event + 2] = 'w', '1' end
  if tags ~= '' then event[#event + 1], event[#event + 2] = 'g', tags end
  redis.call('XADD', events, '*', unpack(event))
end
local followers = '0'
if hands_on == '1' and redis.call('EXISTS', followers_key) == 1 then
  redis.call('ZADD', handoffs, now, id)
  followers = '1'
end
redis.call('PUBLISH', channel, message)
return { 'written', followers }
