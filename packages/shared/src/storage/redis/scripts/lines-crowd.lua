-- What stands around a job. Answers nothing when it stands in no line, or { own jobs before it, own pass, own weight,
-- virtual time, ms that its line waits, starts lately, in how many ms, then of each other flow pass, weight, jobs }.
-- ARGV 1 flow  2 job  3 most flows to look at
local own, job, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
local lines, mine, place = call('HGETALL', base .. ':lines'), nil, nil
for n = 1, #lines, 2 do
  place = call('ZSCORE', queue(lines[n], own), job)
  if place then mine = n break end
end
if not mine then return {} end
local weight = bounds(call('HGET', base .. ':shares', own))
local pass, v, before = tonumber(call('ZSCORE', flows(lines[mine]), own)), virtual(), 0
-- Lines that wait longer than its own hold nobody who goes before it.
local near = {}
for n = 1, #lines, 2 do
  if tonumber(lines[n + 1]) <= math.max(now, tonumber(lines[mine + 1])) then near[#near + 1] = lines[n] end
end
local tenant = tenantOf(own)
local kin = {}
for _, flow in ipairs(family(tenant)) do
  kin[flow] = true
  for _, line in ipairs(near) do
    before = before + (flow == own and call('ZRANK', queue(line, flow), job) or call('ZCOUNT', queue(line, flow), '-inf', '(' .. place))
  end
end
local at, others, names = math.max(pass, v) + before / weight, {}, {}
for _, line in ipairs(near) do
  local some = call('ZRANGEBYSCORE', flows(line), '-inf', '(' .. exact(at), 'WITHSCORES', 'LIMIT', 0, most)
  for n = 1, #some, 2 do
    local flow = some[n]
    if not kin[flow] then
      local known = others[flow]
      if not known and #names < most then
        known = { pass = some[n + 1], jobs = 0 }
        others[flow] = known
        names[#names + 1] = flow
      end
      if known then known.jobs = known.jobs + call('ZCARD', queue(line, flow)) end
    end
  end
end
local SLOT, LAST = 10000, 6
local slot, started, first = math.floor(now / SLOT), 0, nil
for n = slot - LAST, slot do
  local starts = tonumber(call('HGET', base .. ':began', n) or 0)
  if starts > 0 then first = first or n end
  started = started + starts
end
local span = first and now - first * SLOT or 0
local wait = math.max(0, lines[mine + 1] - now)
local answer = { before, exact(pass), exact(weight), exact(v), wait, started, span }
local shares = #names > 0 and call('HMGET', base .. ':shares', unpack(names)) or {}
for n, flow in ipairs(names) do
  local its = bounds(shares[n])
  answer[#answer + 1] = others[flow].pass
  answer[#answer + 1] = tostring(its)
  answer[#answer + 1] = others[flow].jobs
end
return answer
