-- What was picked runs now, also when the pick had lapsed.
-- ARGV 1 turn  2 flow  3 job  4 ms until it is over at the latest  5 what ends it by name
local turn, flow, job, ms, as = unpack(ARGV)
local entry, SLOT = as .. TAB .. flow, 10000
if call('ZSCORE', base .. ':running', entry) then return 0 end
if not unpick(turn) then count(flow, 1) end
call('ZADD', base .. ':running', now + ms, entry)
for _, name in ipairs({ tenantOf(flow), flow }) do call('ZADD', base .. ':starts:' .. name, 'XX', now, turn) end
remove(flow, job)
local slot = math.floor(now / SLOT)
call('HINCRBY', base .. ':began', slot, 1)
if call('HLEN', base .. ':began') > 8 then
  for _, one in ipairs(call('HKEYS', base .. ':began')) do
    if slot - one > 6 then call('HDEL', base .. ':began', one) end
  end
end
return 1
