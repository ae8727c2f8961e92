-- Admits a job: idempotency, own id, twin, cache, backlog, record, indexes, wake-up, event. All of it or nothing.
-- Sent twice it answers as it did the first time: `n` names the submission that made the record, until its first change.
--
-- KEYS  1 job  2 idempotency  3 fingerprint  4 cache  5 jobs  6 jobs of the status  7 wakes  8 deadlines
--       9 retention  10 events  11 record of the leader  12 followers of the leader
-- ARGV  1 id  2 body hash  3 mode (lead, join, alone)  4 request  5 state  6 status  7 fingerprint  8 created at
--       9 run at ('' = wait for nobody)  10 expires at  11 retained until  12 '1' = lead or find a twin
--       13 '1' = look into the cache  14 ms an idempotency key is kept ('' = none sent)  15 event types (csv)
--       16 most jobs that may wait  17 nonce of this submission
--       18 twin with nothing to share, whose place may be taken ('' = none)
-- Tells nobody over the channel of changes: no one can wait for a job that is not there yet.
local id, body, mode = ARGV[1], ARGV[2], ARGV[3]
local known = redis.call('HMGET', KEYS[1], 'h', 'n')
if known[2] == ARGV[17] then return { 'created' } end

if ARGV[14] ~= '' then
  local seen = redis.call('GET', KEYS[2])
  if seen then
    local at = string.find(seen, '|', 1, true)
    local first = string.sub(seen, at + 1)
    if string.sub(seen, 1, at - 1) ~= body then return { 'reused', first } end
    return { 'replayed', first }
  end
end

if known[1] then
  if known[1] == body then return { 'replayed', id } end
  return { 'reused', id }
end

if mode == 'lead' then
  if ARGV[12] == '1' then
    local twin = redis.call('GET', KEYS[3])
    if twin and twin ~= ARGV[18] then return { 'twin', twin } end
  end
  if ARGV[13] == '1' then
    local cached = redis.call('GET', KEYS[4])
    if cached then return { 'cached', cached } end
  end
elseif mode == 'join' then
  local status = redis.call('HGET', KEYS[11], 's')
  if status ~= 'queued' and status ~= 'running' then return { 'gone' } end
end

-- An open job is queued, so KEYS[6] holds all that wait: also followers and held jobs, which have no wake-up.
if ARGV[11] == '' and redis.call('ZCARD', KEYS[6]) >= tonumber(ARGV[16]) then return { 'full' } end

redis.call('HSET', KEYS[1], 'r', ARGV[4], 't', ARGV[5], 's', ARGV[6], 'v', 1, 'a', '', 'f', ARGV[7], 'h', body, 'n', ARGV[17])
redis.call('ZADD', KEYS[5], ARGV[8], id)
redis.call('ZADD', KEYS[6], ARGV[8], id)
if ARGV[9] ~= '' then redis.call('ZADD', KEYS[7], ARGV[9], '1:' .. id) end
if ARGV[11] == '' then redis.call('ZADD', KEYS[8], ARGV[10], id) else redis.call('ZADD', KEYS[9], ARGV[11], id) end
if mode == 'lead' and ARGV[12] == '1' then redis.call('SET', KEYS[3], id) end
if mode == 'join' then redis.call('SADD', KEYS[12], id) end
if ARGV[14] ~= '' then redis.call('SET', KEYS[2], body .. '|' .. id, 'PX', ARGV[14]) end
for type in string.gmatch(ARGV[15], '[^,]+') do
  redis.call('XADD', KEYS[10], 'MAXLEN', '~', 10000, '*', 't', type, 'j', id)
end
return { 'created' }
