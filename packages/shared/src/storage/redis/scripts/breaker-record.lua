-- The record of a breaker, of a place or of a whole channel: `probe_at` (when a probe may be made; absent = closed),
-- `probe` and `probe_until` (the attempt whose probe is out), `goods` (good probes so far), `times` (cool-downs so far), `out`.
-- A place has besides: `run` (faults in a row), `g:SLOT` and `f:SLOT` (good calls and faults of a slot of the window), `degraded`,
-- `told_by` and `told` (its last transition); `caller` and `called_at` (of the last call), `other_at` (of the last one of any
-- tenant but that); `blank_by` (whose answer without an image was the last that counted), `blank_run` and `b:SLOT` (further
-- ones of that tenant, which count while it calls alone). A channel has: `override`, `epoch`; a place of an earlier epoch is forgotten.
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function read_record(key)
  local flat, record = redis.call('HGETALL', key), {}
  for i = 1, #flat, 2 do record[flat[i]] = flat[i + 1] end
  return record
end

local function read_place(key, channel)
  local place, epoch = read_record(key), channel.epoch or '0'
  if (place.epoch or '0') == epoch then return place end
  redis.call('DEL', key)
  redis.call('HSET', key, 'epoch', epoch)
  return { epoch = epoch }
end

-- Answers the ms until `attempt` may call, 0 = at once, -1 = at once as a probe.
local function wait_of(record, attempt, now, look_again_ms)
  if not record.probe_at then return 0 end
  local left = tonumber(record.probe_at) - now
  if left > 0 then return left end
  local held = record.probe and record.probe ~= attempt and tonumber(record.probe_until) - now or 0
  -- A probe ends at any moment.
  return held > 0 and math.min(held, look_again_ms) or -1
end

local function free_probe(key, record, attempt)
  if record.probe ~= attempt then return false end
  redis.call('HDEL', key, 'probe', 'probe_until')
  return true
end
