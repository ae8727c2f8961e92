-- What the scripts of a model's lines share. KEYS 1 = the name that all their keys begin with:
--   :lines      hash: line -> instant until which it waits; only lines in which somebody stands
--   :l:LINE     sorted set: flow (TENANT or TENANT~KEY) -> pass, the virtual instant of its tenant's next start
--   :w:LINE:FLOW sorted set: job -> place, the lowest first
--   :v          virtual time;  :idle sorted set: tenant that stands nowhere -> pass, while that lies ahead
--   :keys:TENANT set: the tenant's flows of keys that stand somewhere; they all have its one pass
--   :shares     hash: flow -> weight:concurrency:starts a minute:the key's concurrency:the key's starts; 0 = no bound
--   :picked     sorted set: turn -> when it lapses;  :p hash: turn -> line, flow, job, place, share
--   :running    sorted set: name that it runs by, flow -> when it is over at the latest
--   :counts     hash: tenant, and flow of a key -> picked or running
--   :later      sorted set: flow and job -> when it stands in line;  :laters hash: the same -> line, share, place
--   :starts:X   sorted set of a tenant's or key's turns in the last minute;  :began hash: ten seconds -> starts
local base, call, TAB, MINUTE = KEYS[1], redis.call, '\t', 60000
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function queue(line, flow) return base .. ':w:' .. line .. ':' .. flow end
local function flows(line) return base .. ':l:' .. line end
local function tenantOf(flow) return string.match(flow, '^[^~]*') end
local function exact(number) return string.format('%.17g', number) end
local function virtual() return tonumber(call('GET', base .. ':v') or 0) end
local function fields(text)
  local all = {}
  for field in string.gmatch(text .. TAB, '([^' .. TAB .. ']*)' .. TAB) do all[#all + 1] = field end
  return all
end
local parsed = {}
local function bounds(share)
  if not share or share == '' then return 1, 0, 0, 0, 0 end
  local all = parsed[share]
  if not all then
    all = {}
    for number in string.gmatch(share, '[^:]+') do all[#all + 1] = tonumber(number) end
    parsed[share] = all
  end
  return unpack(all)
end
-- The tenant's own flow, and those of its keys.
local function family(tenant)
  local all = call('SMEMBERS', base .. ':keys:' .. tenant)
  all[#all + 1] = tenant
  return all
end
-- Of a tenant that stands somewhere; nothing when it does not.
local function passInLine(tenant)
  local lines = call('HKEYS', base .. ':lines')
  for _, flow in ipairs(family(tenant)) do
    for _, line in ipairs(lines) do
      local pass = call('ZSCORE', flows(line), flow)
      if pass then return tonumber(pass) end
    end
  end
end
local function passOf(tenant)
  return passInLine(tenant) or math.max(tonumber(call('ZSCORE', base .. ':idle', tenant) or 0), virtual())
end
local function setPass(tenant, pass)
  local lines = call('HKEYS', base .. ':lines')
  for _, flow in ipairs(family(tenant)) do
    for _, line in ipairs(lines) do call('ZADD', flows(line), 'XX', exact(pass), flow) end
  end
  if call('ZSCORE', base .. ':idle', tenant) then call('ZADD', base .. ':idle', exact(pass), tenant) end
end
-- The flow has a job in this line now.
local function join(line, flow, share)
  if share == '' then call('HDEL', base .. ':shares', flow) else call('HSET', base .. ':shares', flow, share) end
  if call('ZSCORE', flows(line), flow) then return end
  local tenant = tenantOf(flow)
  local pass = passOf(tenant)
  call('HSETNX', base .. ':lines', line, 0)
  call('ZADD', flows(line), exact(pass), flow)
  call('ZREM', base .. ':idle', tenant)
  if flow ~= tenant then call('SADD', base .. ':keys:' .. tenant, flow) end
end
-- The flow may have no job in this line any more.
local function part(line, flow)
  if call('EXISTS', queue(line, flow)) == 1 then return end
  local pass = call('ZSCORE', flows(line), flow)
  if not pass then return end
  call('ZREM', flows(line), flow)
  if call('EXISTS', flows(line)) == 0 then call('HDEL', base .. ':lines', line) end
  for _, other in ipairs(call('HKEYS', base .. ':lines')) do
    if call('ZSCORE', flows(other), flow) then return end
  end
  local tenant = tenantOf(flow)
  call('HDEL', base .. ':shares', flow)
  call('SREM', base .. ':keys:' .. tenant, flow)
  if tonumber(pass) > virtual() and not passInLine(tenant) then call('ZADD', base .. ':idle', pass, tenant) end
end
-- Takes what has this name out of a hash, and its instant out of the set beside it. Answers its fields, if it was there.
local function takeOut(hash, set, name)
  local text = call('HGET', base .. hash, name)
  if not text then return end
  call('HDEL', base .. hash, name)
  call('ZREM', base .. set, name)
  return fields(text)
end
-- It is not to stand in line later, either. Answers where, if it was.
local function unlater(entry) return takeOut(':laters', ':later', entry) end
local function remove(flow, job)
  unlater(flow .. TAB .. job)
  for _, line in ipairs(call('HKEYS', base .. ':lines')) do
    if call('ZREM', queue(line, flow), job) == 1 then part(line, flow) end
  end
end
local function countOne(name, by)
  if call('HINCRBY', base .. ':counts', name, by) <= 0 then call('HDEL', base .. ':counts', name) end
end
local function count(flow, by)
  local tenant = tenantOf(flow)
  countOne(tenant, by)
  if flow ~= tenant then countOne(flow, by) end
end
-- The pick is over. Answers what it was, or nothing when it was over before.
local function unpick(turn) return takeOut(':p', ':picked', turn) end
-- The pick led to nothing: neither the bounds nor the flow's share have been used.
local function unuse(turn, pick)
  local flow = pick[2]
  count(flow, -1)
  call('ZREM', base .. ':starts:' .. tenantOf(flow), turn)
  call('ZREM', base .. ':starts:' .. flow, turn)
  local tenant = tenantOf(flow)
  setPass(tenant, passOf(tenant) - 1 / bounds(pick[5]))
end
local function putBack(turn)
  local pick = unpick(turn)
  if not pick then return end
  local line, flow, job, place, share = unpack(pick)
  call('ZADD', queue(line, flow), 'NX', place, job)
  join(line, flow, share)
  unuse(turn, pick)
  return line
end
-- Workers that died: their picks stand in line again, and what they ran no longer counts. Who is due stands in line.
local function lapse()
  for _, entry in ipairs(call('ZRANGEBYSCORE', base .. ':later', '-inf', now, 'LIMIT', 0, 100)) do
    local where, who = unlater(entry), fields(entry)
    if where then
      call('ZADD', queue(where[1], who[1]), 'NX', where[3], who[2])
      join(where[1], who[1], where[2])
    end
  end
  for _, turn in ipairs(call('ZRANGEBYSCORE', base .. ':picked', '-inf', now, 'LIMIT', 0, 100)) do putBack(turn) end
  for _, entry in ipairs(call('ZRANGEBYSCORE', base .. ':running', '-inf', now, 'LIMIT', 0, 100)) do
    call('ZREM', base .. ':running', entry)
    count(fields(entry)[2], -1)
  end
end
