-- Counts an ended call, and moves the breakers it says something about. With breaker-record.
-- KEYS 1 record of the channel  2 of the place  3 attempts that were noted, by time
-- ARGV 1 attempt  2 whose it was  3 how it ended  4 what that says (good, fault, blank, neutral, auth, retired)
--      5 bucket of its time, or ''  6 what the keys of the figures begin with  7 the rules, as JSON
-- Answers the transition this brought about, as JSON; the same when it is sent again.
local attempt, tenant, ending, says, bucket, figures = unpack(ARGV, 1, 6)
local rules = cjson.decode(ARGV[7])
local now = now_ms()
local channel = read_record(KEYS[1])
local place = read_place(KEYS[2], channel)

if redis.call('ZADD', KEYS[3], 'NX', now, attempt) == 0 then return place.told_by == attempt and place.told end
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - rules.notedMs)
redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -rules.notedMax - 1)
redis.call('PEXPIRE', KEYS[3], rules.notedMs)

local minute = figures .. string.format('%d', math.floor(now / 60000))
redis.call('HINCRBY', minute, 'e:' .. ending, 1)
if bucket ~= '' then redis.call('HINCRBY', minute, 't:' .. bucket, 1) end
redis.call('PEXPIRE', minute, rules.figuresMs)

local probes_channel = free_probe(KEYS[1], channel, attempt)
local probes_place = free_probe(KEYS[2], place, attempt)
if channel.override == 'close' then return false end

-- Answers whether another tenant has called within the window, too.
local function note_caller()
  local other_at = place.caller and place.caller ~= tenant and place.called_at or place.other_at or '0'
  redis.call('HSET', KEYS[2], 'caller', tenant, 'called_at', now, 'other_at', other_at)
  redis.call('PEXPIRE', KEYS[2], rules.recordMs)
  return tonumber(other_at) > now - rules.windowMs
end

local function tell(transition)
  local last = place.told and cjson.decode(place.told).at or 0
  transition.at = math.max(now, last + 1)
  local told = cjson.encode(transition)
  redis.call('HSET', KEYS[2], 'told_by', attempt, 'told', told)
  return told
end

local function forget_calls()
  for field in pairs(place) do
    if string.find(field, '^[gfb]:') then redis.call('HDEL', KEYS[2], field) end
  end
  redis.call('HDEL', KEYS[2], 'run', 'blank_run', 'goods', 'probe', 'probe_until')
end

local function open_place(after_ms, times, out)
  forget_calls()
  redis.call('HSET', KEYS[2], 'probe_at', now + after_ms, 'times', times)
  if out then redis.call('HSET', KEYS[2], 'out', out) end
  return now + after_ms
end

local function cool_down(times)
  return rules.coolDowns[math.min(times, #rules.coolDowns)]
end

local shared = note_caller()

-- The whole channel.
if says == 'auth' then
  if channel.out and not probes_channel then return false end
  redis.call('HSET', KEYS[1], 'out', 'auth', 'probe_at', now + rules.authMs)
  return not channel.out and tell({ to = 'out', cause = 'auth', whole = true, open_until = now + rules.authMs })
end
if probes_channel and channel.out then
  if says == 'good' then
    -- The place says what it has to say with its next call: one note tells of one thing.
    redis.call('HDEL', KEYS[1], 'out', 'probe_at', 'probe', 'probe_until')
    return tell({ to = 'recovered', cause = 'well', whole = true })
  end
  if says == 'fault' then redis.call('HSET', KEYS[1], 'probe_at', now + cool_down(1)) end
end

-- The place alone.
if says == 'retired' then
  if place.out and not probes_place then return false end
  local open_until = open_place(rules.retiredMs, 1, 'retired')
  return not place.out and tell({ to = 'out', cause = 'retired', open_until = open_until })
end
if says == 'neutral' then return false end

if place.probe_at then
  -- Calls that were in flight when it opened are no news. A blank probe may be its prompt's fault: the next in line is asked.
  if not probes_place or says == 'blank' then return false end
  if says == 'fault' then
    local times = tonumber(place.times or '1') + 1
    open_place(cool_down(times), times)
    return false
  end
  if redis.call('HINCRBY', KEYS[2], 'goods', 1) < (place.out and 1 or rules.goodProbes) then return false end
  forget_calls()
  redis.call('HDEL', KEYS[2], 'probe_at', 'times', 'out', 'degraded')
  return tell({ to = 'recovered', cause = 'well' })
end

-- A tenant's further blanks count while nobody else calls: whether that is so is decided when they are added up.
local further = says == 'blank' and place.blank_by == tenant
if says == 'blank' then redis.call('HSET', KEYS[2], 'blank_by', tenant) end
local function add(field)
  place[field] = redis.call('HINCRBY', KEYS[2], field, 1)
end
local slot = math.floor(now / rules.slotMs)
add((says == 'good' and 'g:' or further and 'b:' or 'f:') .. string.format('%d', slot))
if says == 'good' then
  place.run, place.blank_run = nil, nil
  redis.call('HDEL', KEYS[2], 'run', 'blank_run')
else
  add(further and 'blank_run' or 'run')
end
if further and shared then return false end

local calls, faults = 0, 0
for name, count in pairs(place) do
  local kind, of = string.match(name, '^([gfb]):(%d+)$')
  if kind and tonumber(of) <= slot - rules.slots then
    redis.call('HDEL', KEYS[2], name)
  elseif kind and not (kind == 'b' and shared) then
    calls = calls + count
    if kind ~= 'g' then faults = faults + count end
  end
end
local run = (place.run or 0) + (shared and 0 or place.blank_run or 0)
local rate = faults / calls
local many = calls >= rules.callsMin

local function news(to, cause, open_until)
  return tell({
    to = to, cause = cause, rate = rate, calls = calls, faults = faults, run = run, ending = ending, open_until = open_until,
  })
end
local function opened(cause)
  if not further then return news('opened', cause, open_place(cool_down(1), 1)) end
  -- The provider answers, so time mends nothing: whoever is next, perhaps of another tenant, is the probe.
  return news('opened', cause, open_place(math.min(rules.lookAgainMs, cool_down(1)), 0))
end
if run >= rules.faultsInARow then return opened('row') end
if many and rate >= rules.openAt then return opened('rate') end
if many and rate >= rules.degradedAt and not place.degraded then
  redis.call('HSET', KEYS[2], 'degraded', '1')
  return news('degraded', 'rate')
end
local well = many and rate <= rules.recoveredAt or faults == 0 and calls >= rules.wellMin
if place.degraded and well then
  redis.call('HDEL', KEYS[2], 'degraded')
  return news('recovered', 'well')
end
return false
