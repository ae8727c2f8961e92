-- Takes the first job of the flow with the lowest pass, out of those that may go.
-- Answers { 'job', line, flow, job }, { 'wait', ms } or { 'empty' }.
-- ARGV 1 turn  2 ms until it lapses
local turn, LOOK_MS = ARGV[1], 1000
local known = call('HGET', base .. ':p', turn)
if known then
  local pick = fields(known)
  return { 'job', pick[1], pick[2], pick[3] }
end
lapse()
local v, wait, lines = virtual(), nil, call('HGETALL', base .. ':lines')
local function hold(ms) wait = math.min(wait or LOOK_MS, ms) end

-- For how long these bounds keep anybody waiting; an end may come at any time.
local function bounded(name, concurrency, starts)
  if concurrency > 0 and tonumber(call('HGET', base .. ':counts', name) or 0) >= concurrency then return LOOK_MS end
  if starts <= 0 then return end
  local key = base .. ':starts:' .. name
  call('ZREMRANGEBYSCORE', key, '-inf', '(' .. now - MINUTE)
  local had = call('ZCARD', key)
  if had < starts then return end
  return call('ZRANGE', key, had - starts, had - starts, 'WITHSCORES')[2] + MINUTE + 1 - now
end
local seen = {}
local function held(flow, share)
  if seen[flow] == nil then
    local ms = false
    if share then
      local _, concurrency, starts, ofKey, startsOfKey = bounds(share)
      local tenant = tenantOf(flow)
      ms = bounded(tenant, concurrency, starts) or (flow ~= tenant and bounded(flow, ofKey, startsOfKey)) or false
    end
    seen[flow] = ms
  end
  return seen[flow]
end
local function shareOf(flow) return call('HGET', base .. ':shares', flow) end
-- The first flow of a line that may go.
local function front(line)
  local from, step = 0, 4
  while true do
    local some = call('ZRANGE', flows(line), from, from + step - 1)
    local shares = #some > 0 and call('HMGET', base .. ':shares', unpack(some)) or {}
    for n = 1, #some do
      local ms = held(some[n], shares[n])
      if not ms then return some[n], tonumber(call('ZSCORE', flows(line), some[n])) end
      hold(ms)
    end
    if #some < step then return end
    from, step = from + step, 64
  end
end

local foremost, pass
local open = {}
for n = 1, #lines, 2 do
  local ms = lines[n + 1] - now
  if ms > 0 then hold(ms) else
    open[#open + 1] = lines[n]
    local first, its = front(lines[n])
    if first and (not foremost or its < pass or (its == pass and first < foremost)) then foremost, pass = first, its end
  end
end
if not foremost then
  if not wait and call('EXISTS', base .. ':picked') == 0 then return { 'empty' } end
  return { 'wait', math.max(1, math.ceil(wait or LOOK_MS)) }
end
local tenant = tenantOf(foremost)
local line, flow, job, place
for _, its in ipairs(family(tenant)) do
  for _, one in ipairs(held(its, shareOf(its)) and {} or open) do
    local first = call('ZRANGE', queue(one, its), 0, 0, 'WITHSCORES')
    if first[1] and (not place or tonumber(first[2]) < tonumber(place)) then
      line, flow, job, place = one, its, first[1], first[2]
    end
  end
end
local share = shareOf(flow) or ''
local weight, _, starts, _, startsOfKey = bounds(share)
local start = math.max(pass, v)
call('SET', base .. ':v', exact(start))
call('ZREMRANGEBYSCORE', base .. ':idle', '-inf', exact(start))
setPass(tenant, start + 1 / weight)
call('ZREM', queue(line, flow), job)
part(line, flow)
call('HSET', base .. ':p', turn, table.concat({ line, flow, job, place, share }, TAB))
call('ZADD', base .. ':picked', now + ARGV[2], turn)
count(flow, 1)
local function note(name)
  call('ZADD', base .. ':starts:' .. name, now, turn)
  call('PEXPIRE', base .. ':starts:' .. name, 2 * MINUTE)
end
if starts > 0 then note(tenant) end
if startsOfKey > 0 then note(flow) end
return { 'job', line, flow, job }
