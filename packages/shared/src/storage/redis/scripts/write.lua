-- Puts the next version of a job's state in the place of the one it was decided from, with everything that follows
-- from it: indexes, wake-up, lease, twin and cache keys, sums, events. All of it or nothing.
-- Sent twice it answers as it did the first time: `n` names the write that made the current version.
--
-- KEYS  1 job  2 jobs of the old status  3 jobs of the new status  4 wakes  5 leases  6 tick  7 deadlines
--       8 retention  9 events  10 fingerprint  11 cache  12 totals  13 followers  14 handoffs
-- ARGV  1 id  2 version it was decided from  3 nonce of this write  4 state  5 status  6 open attempt ('' = none)
--       7 run at ('' = wake nobody)  8 ticks of the lease ('' = none)  9 created at  10 expires at
--       11 retained until ('' = not terminal)  12 ms the fingerprint stays joinable ('' = leave it, '0' = drop it, 'claim' = take it if free)
--       13 ms the result may be cached ('' = not)  14 result for the cache  15 event types (csv)
--       16 sums to add (name,amount,name,amount …)  17 '1' = followers may be handed the end  18 now
--       19 '1' = only if the lease is over  20 channel of changes  21 message about this change
local id = ARGV[1]
local current = redis.call('HMGET', KEYS[1], 'v', 'n')
if not current[1] then return { 'stale' } end
if current[2] == ARGV[3] then return { 'written', redis.call('ZSCORE', KEYS[14], id) and '1' or '0' } end
if current[1] ~= ARGV[2] then return { 'stale' } end
if ARGV[19] == '1' then
  local over = redis.call('ZSCORE', KEYS[5], id)
  local tick = tonumber(redis.call('GET', KEYS[6]) or '0')
  if over and tonumber(over) > tick then return { 'stale' } end
end

local version = tonumber(ARGV[2]) + 1
redis.call('HSET', KEYS[1], 't', ARGV[4], 's', ARGV[5], 'v', version, 'a', ARGV[6], 'n', ARGV[3])
if KEYS[2] ~= KEYS[3] then
  redis.call('ZREM', KEYS[2], id)
  redis.call('ZADD', KEYS[3], ARGV[9], id)
end
redis.call('ZREM', KEYS[4], ARGV[2] .. ':' .. id)
if ARGV[7] ~= '' then redis.call('ZADD', KEYS[4], ARGV[7], version .. ':' .. id) end
if ARGV[8] == '' then
  redis.call('ZREM', KEYS[5], id)
else
  redis.call('ZADD', KEYS[5], tonumber(redis.call('GET', KEYS[6]) or '0') + tonumber(ARGV[8]), id)
end
if ARGV[11] == '' then
  redis.call('ZADD', KEYS[7], ARGV[10], id)
else
  redis.call('ZREM', KEYS[7], id)
  redis.call('ZADD', KEYS[8], ARGV[11], id)
end
if ARGV[12] == 'claim' then
  redis.call('SET', KEYS[10], id, 'NX')
elseif ARGV[12] ~= '' and redis.call('GET', KEYS[10]) == id then
  if ARGV[12] == '0' then redis.call('DEL', KEYS[10]) else redis.call('PEXPIRE', KEYS[10], ARGV[12]) end
end
if ARGV[13] ~= '' then redis.call('SET', KEYS[11], ARGV[14], 'PX', ARGV[13]) end
for name, amount in string.gmatch(ARGV[16], '([^,]+),([^,]+)') do
  redis.call('HINCRBY', KEYS[12], name, amount)
end
for type in string.gmatch(ARGV[15], '[^,]+') do
  redis.call('XADD', KEYS[9], 'MAXLEN', '~', 10000, '*', 't', type, 'j', id)
end
local followers = '0'
if ARGV[17] == '1' and redis.call('EXISTS', KEYS[13]) == 1 then
  redis.call('ZADD', KEYS[14], ARGV[18], id)
  followers = '1'
end
redis.call('PUBLISH', ARGV[20], ARGV[21])
return { 'written', followers }
