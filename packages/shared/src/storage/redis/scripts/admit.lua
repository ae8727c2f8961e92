-- Admits jobs of one tenant, in the order given: idempotency, own id, twin, cache, backlog, record, indexes, wake-up,
-- event. Of each all or nothing.
-- Sent twice it answers as it did the first time: `n` names the submission that made the record, until its first change.
-- Tells nobody over the channel of changes: no one can wait for a job that is not there yet.
--
-- Of each submission follow four keys, and two more when it joins a leader; and seventeen arguments.
local jobs, queued, succeeded, wakes, deadlines, retention, events = unpack(KEYS, 1, 7)
-- waiting_max: most jobs that may wait. keyed_ms: how long an idempotency key is kept.
local batch_nonce, waiting_max, keyed_ms = ARGV[1], tonumber(ARGV[2]), ARGV[3]
-- One ZADD each for all of a call.
local to_jobs, to_queued, to_wakes, to_deadlines = {}, {}, {}, {}
local waiting

local function add(list, score, member)
  list[#list + 1] = score
  list[#list + 1] = member
end

local function tell(type, id, tags, hooked)
  local event = { 't', type, 'j', id }
  if hooked ~= '' then add(event, 'w', '1') end
  if tags ~= '' then add(event, 'g', tags) end
  redis.call('XADD', events, '*', unpack(event))
end

local function admit(nonce, k, a)
  local job, idempotency, fingerprint, cache = KEYS[k], KEYS[k + 1], KEYS[k + 2], KEYS[k + 3]
  -- mode: lead, join, alone. run_at: '' = wake nobody. retained_until: '' = open. coalesces: '1' = lead or find a twin.
  -- looks: '1' = into the cache. keyed: '1' = with an idempotency key. past: twin that will not do, whose place
  -- may be taken. ended: event of a job that comes with its result. tags: as JSON; '' = none. hooked: '1' = it has a
  -- webhook of its own.
  local id, body, mode, request, state, print, created_at, run_at, expires_at, retained_until, coalesces, looks, keyed,
    past, ended, tags, hooked = unpack(ARGV, a, a + 16)
  local known = redis.call('HMGET', job, 'h', 'n')
  if known[2] == nonce then return 'created', '' end

  if keyed == '1' then
    local answer, first = first_answer(idempotency, body)
    if answer then return answer, first end
  end
  if known[1] then return known[1] == body and 'replayed' or 'reused', id end

  if mode == 'lead' then
    if coalesces == '1' then
      local twin = redis.call('GET', fingerprint)
      if twin and twin ~= past then return 'twin', twin end
    end
    if looks == '1' then
      local cached = redis.call('GET', cache)
      if cached then return 'cached', cached end
    end
  elseif mode == 'join' then
    local standing = redis.call('HGET', KEYS[k + 4], 's')
    if standing ~= 'queued' and standing ~= 'running' then return 'gone', '' end
  end

  local open = retained_until == ''
  -- An open job is queued, so that index holds all that wait: also followers and held jobs, which have no wake-up.
  waiting = waiting or redis.call('ZCARD', queued)
  if open and waiting >= waiting_max then return 'full', '' end

  local status = open and 'queued' or 'succeeded'
  redis.call('HSET', job, 'r', request, 't', state, 's', status, 'v', 1, 'a', '', 'f', print, 'h', body, 'n', nonce)
  add(to_jobs, created_at, id)
  if open then
    waiting = waiting + 1
    add(to_queued, created_at, id)
    add(to_deadlines, expires_at, id)
  else
    redis.call('ZADD', succeeded, created_at, id)
    redis.call('ZADD', retention, retained_until, id)
  end
  if run_at ~= '' then add(to_wakes, run_at, '1:' .. id) end
  if mode == 'lead' and coalesces == '1' then redis.call('SET', fingerprint, id) end
  if mode == 'join' then redis.call('SADD', KEYS[k + 5], id) end
  if keyed == '1' then redis.call('SET', idempotency, body .. '|' .. id, 'PX', keyed_ms) end
  tell('job.queued', id, tags, hooked)
  if ended ~= '' then tell(ended, id, tags, hooked) end
  return 'created', ''
end

local answers = {}
local k = 8
for a = 4, #ARGV, 17 do
  add(answers, admit(batch_nonce .. (a - 4) / 17, k, a))
  k = k + (ARGV[a + 2] == 'join' and 6 or 4)
end
for _, to in ipairs({ { jobs, to_jobs }, { queued, to_queued }, { wakes, to_wakes }, { deadlines, to_deadlines } }) do
  if #to[2] > 0 then redis.call('ZADD', to[1], unpack(to[2])) end
end
return answers
