-- Jobs stand in line.
-- ARGV groups of: line, flow, share, how many, and of each its place and its name
local at = 1
while at <= #ARGV do
  local line, flow, share, jobs = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
  local first, last = at + 4, at + 3 + 2 * jobs
  for _, other in ipairs(call('HKEYS', base .. ':lines')) do
    if other ~= line and call('EXISTS', queue(other, flow)) == 1 then
      for n = first + 1, last, 2 do call('ZREM', queue(other, flow), ARGV[n]) end
      part(other, flow)
    end
  end
  if call('EXISTS', base .. ':laters') == 1 then
    for n = first + 1, last, 2 do unlater(flow .. TAB .. ARGV[n]) end
  end
  call('ZADD', queue(line, flow), unpack(ARGV, first, last))
  join(line, flow, share)
  at = last + 1
end
return 1
